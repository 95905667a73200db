"""Objects in images out of records, without MXNet: labels and options that are wrong."""
import threading

import numpy as np
import pytest

import ganmod as mx
from ganmod.base import FileFormatError, InputError

pytest.importorskip("cv2")


def with_objects(path, wanted):
    """Settings for one image for each label."""
    with mx.recordio.MXRecordIO(path, "w") as record:
        for k, label in enumerate(wanted):
            record.write(mx.recordio.pack_img((0, label, k, 0), np.full((6, 6, 3), k, "uint8"), 3, ".png"))
    return {"path_imgrec": path, "data_shape": (3, 6, 6), "batch_size": len(wanted)}


@pytest.mark.parametrize("label", [[2, 5], [2, 5, 0, 0, 0, 1], [2, 4, 0, 0, 0, 1], [1, 5, 0, 0, 0, 1, 1],
                                   [np.nan, 5, 0, 0, 0, 1, 1], [2, 5, 0, 0, 0, 1, 1, 1], 3.0])
def test_labels_without_objects(tmp_path, label):
    settings = with_objects(tmp_path / "a.rec", [[2, 5, 0, 0, 0, 1, 1], label])
    it = mx.io.ImageDetRecordIter(**settings)
    with pytest.raises(FileFormatError, match="a.rec: at byte .*: the record with id 1 has a label of .*; expect"):
        it.next()
    it.close()


@pytest.mark.parametrize("settings, message", [
    ({"label_pad_width": 5}, "longest"), ({"rand_crop_prob": 1, "min_crop_scales": (0.1, 0.2)}, "num_crop_sampler=1"),
    ({"rand_crop_prob": 1, "min_crop_overlaps": 0.9, "max_crop_overlaps": 0.2}, "in this order"),
    ({"rand_crop_prob": 1, "max_crop_trials": ()}, "max_crop_trials"), ({"aug_seq": "aug_default"}, "det_aug_default"),
    ({"data_shape": (1, 6, 6), "random_hue_prob": 1}, "3 channels"), ({"inter_method": 5}, "inter_method")])
def test_settings_for_objects_that_are_wrong(tmp_path, settings, message):
    with pytest.raises(InputError, match=f"ImageDetRecordIter: .*{message}"):
        mx.io.ImageDetRecordIter(**{**with_objects(tmp_path / "a.rec", [[2, 5, 0, 0, 0, 1, 1]]), **settings})
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]
