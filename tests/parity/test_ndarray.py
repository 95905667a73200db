"""NDArrays under both libraries: statements on a few arrays, and what they hold afterwards."""
import pytest


def statement_case(mx, np, statement):
    """Runs a statement, and returns its ``r`` and every array that it changed, or that is another one now."""
    import copy
    import pickle
    nd = mx.nd
    arrays = {"a": nd.arange(6).reshape((2, 3)), "v": nd.arange(4), "c": nd.arange(24).reshape((2, 3, 4)),
              "i": nd.array([1, 2, 3], dtype="int32"), "u": nd.array([1, 2, 3], dtype="uint8"),
              "h": nd.array([1, 2, 3], dtype="float16"), "d": nd.array([1, 2, 3], dtype="float64")}
    before = {name: array.asnumpy() for name, array in arrays.items()}
    scope = dict(arrays, mx=mx, nd=nd, np=np, copy=copy, pickle=pickle)
    exec(statement, scope)
    changed = {name: (scope[name], scope[name] is array) for name, array in arrays.items()
               if scope[name] is not array or not np.array_equal(array.asnumpy(), before[name])}
    r = scope.get("r")
    return {"changed": changed, "r": r, "kind": (r.shape, r.dtype) if isinstance(r, nd.NDArray) else None}


READS = [
    "a.slice_axis(axis=1,begin=1,end=None)",
    "c[1]", "c[-1]", "c[1,2,3]", "v[2]", "c[1,-1]", "c[0:1]", "c[0:5]", "c[5:7]", "c[1:1]", "c[::-1]", "c[:,::-2]",
    "c[-1:,-2:,-1:]", "c[...,0]", "c[...]", "c[None]", "c[:,None,1]", "c[...,None]", "c[()]", "c[[0,1]]",
    "c[[1],[2]]", "c[nd.array([1,0])]", "c[nd.array([1,0],dtype='int32')]", "c[np.array([1,-1])]", "c[[0,1],[1,2]]",
    "c[:,[0,2]]", "c[:,[0,2],1]", "c[[0,1],:,[1,2]]", "c[0,:,[1,2]]", "c[[[0],[1]],[1,2]]",
    "c[nd.array([[0],[1]]),nd.array([1,2])]", "c[0,[1,2]]", "c[None,[0,1]]", "c[[0,1],None,[1,2]]",
    "c[[0,1],...,[0,1]]", "c[1:,[0,1],::2]", "c[::-1,[0,2]]", "c[[0,1],::-1,[1,2]]", "c[(0,1),(1,2)]", "v[True]",
    "v[np.int64(2)]", "v[range(3)]", "v[v>1]", "v[1:4][1:3]", "v[:0]", "c.T", "a.T", "v.T", "c.reshape((-3,0))",
    "c.reshape(4,-1)", "c.reshape((0,-1),reverse=True)", "c.reshape(shape=(6,4))", "a.reshape(-1)", "a.reshape([6])",
    "c.reshape((-4,1,2,-2))", "a.astype('int32')", "a.astype(float)", "a.astype('bool')",
    "nd.array([1.7,-1.7]).astype('int32')", "nd.array([300.,-1]).astype('uint8')", "a.copyto(nd.zeros((2,3)))",
    "a.copyto(nd.zeros((2,3),dtype='int32'))", "a.copyto(mx.cpu(1))", "a.as_in_context(mx.cpu(1))", "a.detach()",
    "nd.moveaxis(c,0,2)", "nd.moveaxis(c,[0,1],[-1,-2])", "nd.concatenate([a,a])", "nd.concatenate([a,a],axis=1)",
    "nd.onehot_encode(nd.array([0,2]),nd.zeros((2,3)))", "nd.from_numpy(np.ones((2,3)))",
    "nd.from_numpy(np.ones((2,3),'float32'),zero_copy=False)"]
ATTRIBUTES = [
    "len(a)", "a.shape", "a.size", "a.ndim", "a.dtype", "i.dtype", "a.stype", "str(a.context)", "repr(a)", "str(v)",
    "repr(nd.array([1],dtype='int32',ctx=mx.cpu(1)))", "bool(nd.array([0]))", "bool(nd.array([1.5]))",
    "bool(nd.array([]))", "v[1].asscalar()", "i[1].asscalar()", "type(v[1].asscalar())", "not v[0]", "3 in v",
    "[x.shape for x in a]", "[x.shape for x in v]", "sum(a)", "max(v)", "'%d' % v[2].asscalar()",
    "str(a.copyto(mx.cpu(1)).context)", "a.asnumpy().flags['WRITEABLE']", "copy.copy(a)", "copy.deepcopy([a])[0]",
    "pickle.loads(pickle.dumps(a[0]))", "pickle.loads(pickle.dumps(i))", "nd.waitall()", "hash(a) == hash(a)"]
ARITHMETIC = [
    "a+1", "1+a", "a-1", "1-a", "a*2", "2*a", "a/2", "2/(a+1)", "a**2", "2**a", "a%2", "7%(a+1)", "a%-3", "(a-3)%3",
    "-a", "abs(-a)", "a+a", "a-a", "a*a", "a/(a+1)", "a**a", "a%(a+1)", "a+nd.array([1,2,3])",
    "a+nd.array([[1],[2]])", "a+True", "np.float32(2)*a", "a*np.float64(2)", "np.float32(2)-a", "i+1", "i+1.5",
    "i*1.5", "i/2", "2/i", "i**2", "i**0.5", "i-0.5", "0.5-i", "i%2", "i+i", "i/i", "u-3", "u+300", "u*u", "-u",
    "h+1e-3", "h*h", "d+1e-12", "d*d", "nd.array([1,0],dtype='bool')+1", "a==1", "1==a", "a!=1", "a>1", "1>a", "a>=1",
    "a<1", "a<=1", "a==a", "a!=nd.array([0,1,5])", "i==1", "i>1.5", "i==i", "h>1", "d<=2", "a>nd.array([[1],[4]])"]
FUNCTIONS = [f"nd.{name}({args})" for name in (
    "add", "subtract", "multiply", "divide", "true_divide", "modulo", "power", "maximum", "minimum", "equal",
    "not_equal", "greater", "greater_equal", "lesser", "lesser_equal", "logical_and", "logical_or", "logical_xor")
    for args in ("a,a", "a,nd.array([1,2,4])", "a+1,2", "2,a+1", "5,3", "0,2")]
CREATION = [
    "nd.array([1,2])", "nd.array([[1.5],[2]])", "nd.array(np.array([1,2]))", "nd.array(np.array([1,2],'int8'))",
    "nd.array(np.array([1.,2]))", "nd.array(np.array([1,2],'float16'))", "nd.array([True])", "nd.array(i)",
    "nd.array(a)", "nd.array(a,dtype='float16')", "nd.array([1,2],dtype='int32')", "nd.array([])",
    "nd.array(np.zeros((0,3)))", "nd.array(np.array([1,2],'uint16'))", "nd.array(range(3))", "nd.array((1,2))",
    "nd.array([300,-1],dtype='uint8')", "nd.array([1.7],dtype='int32')", "nd.array([2**40],dtype='int64')",
    "nd.array([1,2],dtype='bool')", "nd.array(np.arange(6).reshape(2,3).T)", "nd.zeros(3)", "nd.zeros((2,3))",
    "nd.zeros([2,3],dtype='int32')", "nd.zeros(shape=(2,))", "nd.zeros(np.int64(3))", "nd.zeros((2,),dtype=None)",
    "nd.zeros((2,),stype='default')", "nd.ones((2,),dtype=np.uint8)", "nd.full((2,2),7)",
    "nd.full((2,2),7.9,dtype='int32')", "nd.full((2,),True)", "nd.full((2,),300,dtype='uint8')",
    "nd.full((2,),-1,dtype='uint8')", "nd.full((2,),nd.array([3]))", "nd.arange(3)", "nd.arange(1,3)",
    "nd.arange(0,1,0.3)", "nd.arange(3,repeat=2)", "nd.arange(5,1,-1)", "nd.arange(3,dtype='int32')",
    "nd.arange(0,5,0.5,dtype='int32')", "nd.arange(0,2,0.1)", "nd.arange(0.7,3,0.7)", "nd.linspace(0,1,5)",
    "nd.linspace(0,1,5,endpoint=False)", "nd.linspace(0,1,1)", "nd.linspace(0,10,3,dtype='int32')",
    "nd.linspace(0,1,0)", "nd.linspace(0.1,1.1,11)", "nd.eye(2)", "nd.eye(2,3)", "nd.eye(3,3,1)",
    "nd.eye(3,M=2,k=-1,dtype='int32')", "nd.zeros((2,),out=nd.ones((2,)))", "nd.ones((2,),out=nd.zeros((2,)))",
    "nd.full((2,),4,out=nd.zeros((2,)))", "nd.empty((2,3),dtype='float16').shape", "nd.ones((2,),ctx='cpu(1)')",
    "str(nd.ones((2,),mx.cpu(1)).context)"]
WRITES = [
    "a[:]=1", "i[:]=1.7", "u[:]=300", "u[:]=-1", "a[:]=np.float64(3)", "a[:]=nd.array([1,2,3])",
    "a[:]=nd.array([[1],[2]])", "a[:]=[1,2,3]", "a[:]=[[1,2,3],[4,5,6]]", "a[:]=np.array([1,2,3])",
    "a[:]=nd.array([1,2,3],dtype='int32')", "a[:]=nd.ones((1,2,3))", "a[:]=nd.array([5])", "a[:]=np.ones((1,1,2,3))",
    "i[:]=nd.array([1.7,2.2,-3.9])", "a[0]=9", "a[0]=nd.array([7,8,9])", "a[0]=[7,8,9]", "a[0]=nd.array([[7,8,9]])",
    "a[-1]=9", "a[0,1]=9", "a[0,1]=nd.array([9])", "a[0,1]=nd.array([[9]])", "a[:,1]=nd.array([9,8])", "a[:,1:]=5",
    "a[::-1]=nd.array([[1],[2]])", "a[:,::-2]=nd.array([[1,2],[3,4]])", "a[...]=3", "a[...,0]=3", "a[None]=3",
    "a[()]=3", "a[[0,1],[1,2]]=9", "a[[0,1],[1,2]]=nd.array([8,9])", "a[[0,1]]=nd.array([8,9,10])",
    "a[nd.array([1])]=nd.array([8,9,10])", "a[nd.array([1]),0]=5", "a[:,[0,2]]=nd.array([[1,2],[3,4]])", "a[a>2]=9",
    "c[::-1,[0,2]]=nd.array([1,2,3,4])", "a[0][1]=7", "a[0][:]=7", "b=a[0]; b+=7", "b=a[0:1]; b+=7", "b=a[:,1]; b+=7",
    "b=a[:,0:2]; b[:]=7", "b=a.reshape((3,2)); b[0]=9", "b=a.reshape((-1,)); b[2:4]=9", "b=a.T; b[:]=9",
    "b=a[::-1]; b[:]=9", "b=a[::2]; b[:]=9", "b=a[:,::2]; b[:]=9", "b=v[1:3]; b[:]=9", "b=v[::2]; b[:]=9",
    "b=v[1]; b+=9", "b=a[[0]]; b[:]=9", "b=a[0,1]; b[:]=9", "b=a[0,1:]; b[:]=9", "b=c[1,2]; b[:]=9",
    "b=c[:,1,:]; b[:]=9", "b=c[1,1:3]; b[:]=9", "b=c[0,:,1:3]; b[:]=9", "b=c[0:1,1:2]; b[:]=9", "b=a[None]; b[:]=9",
    "b=a[...]; b[:]=9", "b=a[:]; b[:]=9", "b=a.expand_dims(0); b[:]=9", "b=a.flatten(); b[:]=9",
    "b=a.squeeze(); b[:]=9", "b=a.transpose(); b[:]=9", "b=a.expand_dims(0,inplace=True); b[:]=9",
    "b=a.flatten(inplace=True); b[:]=9", "b=a.reshape((1,2,3)).squeeze(axis=0,inplace=True); b[:]=9",
    "b=a.copy(); b[:]=9", "b=a.detach(); b[:]=9", "b=a.astype('float32',copy=False); b[:]=9",
    "b=a.as_in_context(mx.cpu(0)); b[:]=9", "a.slice_assign_scalar(5,(0,),(1,),())", "for row in a: row[:]=4",
    "for row in a: row+=4", "a+=1", "a+=a", "a+=nd.array([1,2,3])", "a-=1", "a*=2", "a*=nd.array([1,2,3])", "a/=2",
    "a/=nd.array([1,2,4])", "a%=2", "a**=2", "i+=1", "i+=1.7", "i-=0.5", "i*=1.5", "i/=2", "i%=2",
    "i/=nd.array([2,2,2],dtype='int32')", "u+=1", "u-=3", "u*=200", "u/=2", "h+=1e-4", "h*=1e5", "d+=1",
    "b=a; b+=1; r=b is a", "b=v[1:3]; b*=10", "b=v[0:2]; v[2:4]=b", "a[0]=a[1]", "a[:]=a.T.reshape((2,3))",
    "v[:-1]=v[1:]", "a[5:7]=3", "a[0:0]=3", "r=a.asnumpy(); r[:]=5", "r=copy.copy(a); r[:]=5",
    "r=copy.deepcopy(a); r[:]=5"]
ALL = [f"r = {text}" for text in READS + ATTRIBUTES + ARITHMETIC + FUNCTIONS + CREATION] + WRITES


@pytest.mark.parametrize("statement", ALL)
def test_statement(compare, statement):
    half = "h" in statement
    compare(statement_case, {"statement": statement}, rtol=1e-3 if half else 1e-6, atol=1e-3 if half else 1e-6)


@pytest.mark.parametrize("statement", [
    "c[2]", "c[-3]", "c[0,3]", "c[0,...,-5]", "c[1,2,3,0]", "c[...,...]", "c[np.array([1,5])]", "v[1.0]", "v['a']",
    "v[::0]", "bool(a)", "a.asscalar()", "a==None", "a==[1]", "a=='x'", "a+[1,2,3]", "a+None", "a+'x'", "a+i", "d+a",
    "a+nd.ones((4,))", "a+nd.ones((2,3,1))", "a//2", "a.reshape((4,2))", "a.reshape((2,2))", "a.reshape((-1,-1))",
    "a.reshape(3,2,foo=1)", "a.copyto(nd.zeros((3,2)))", "a.copyto(3)", "a.foo", "nd.array('abc')",
    "nd.array([[1,2],[3]])", "nd.array({'a':1})", "nd.zeros('a')", "nd.zeros((-1,2))", "nd.zeros(2,3)",
    "nd.ones(2.0)", "nd.arange(0)", "nd.arange(3,1)", "nd.arange(0,3,0)", "nd.arange(3,dtype='bool')",
    "nd.zeros((2,),dtype='complex64')", "nd.concatenate([])", "nd.from_numpy(np.zeros((2,3)).T)",
    "nd.concatenate([a,i])", "nd.concatenate([a,nd.ones((1,2))])", "nd.moveaxis(c,5,0)", "nd.moveaxis(c,[0,0],[1,2])",
    "nd.add(a,'x')", "nd.add(a,None)", "nd.divide(1,0)", "nd.elemwise_add(a,nd.ones((3,)))", "nd.broadcast_add(a,d)",
    "nd.FullyConnected(a,nd.ones((4,5)),no_bias=True,num_hidden=4)", "a.tostype('foo')"])
def test_error(compare, statement):
    compare(statement_case, {"statement": f"r = {statement}"}, raises=True)


@pytest.mark.parametrize("statement", [
    "a[:]=nd.array([1,2])", "a[:]=nd.ones((6,))", "a[:]=nd.ones((3,2))", "a[:]=nd.ones((2,3,1))",
    "a[0]=nd.ones((3,1))", "a[2]=1", "a[0,1]=nd.array([9,8])", "a[:,1]=nd.array([[9],[8]])", "a[1.5]=3", "a['x']=3",
    "a[0]='x'", "a[0:0]=nd.ones((5,3))", "a+=i", "a+=nd.ones((1,2,3))", "a+=nd.array([1,2])", "a+=[1,2,3]",
    "i+=nd.array([1.5,1,1])", "d+=a[0]", "del a[0]", "a.shape=(3,2)", "a.foo=3", "a//=2"])
def test_error_in_writing(compare, statement):
    compare(statement_case, {"statement": statement}, raises=True)
