/** The small Python example of a bundle. It reads everything from the bundle's files, so the text is always the same. */

export const RUN_PY = `"""Runs this bundle with onnxruntime.

    python run.py            replays the golden inputs and compares the outputs
    python run.py IMAGE      prints the five best classes of an image (needs pillow)

Permission to use, copy, modify and distribute this file for any purpose is granted.
"""
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort

ROOT = Path(__file__).resolve().parent


def load(path):
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


MANIFEST = load("manifest.json")
FACTS = MANIFEST["additional_metadata"]["secateur"]


def session():
    folder = ROOT / next(iter(MANIFEST["components"].values()))
    component = json.loads((folder / "component.json").read_text(encoding="utf-8"))
    name, variant = next(iter(component["variants"].items()))
    model = folder / variant.get("variant_directory", name) / variant["executor_info"]["ort"]["model_file"]
    options = ort.SessionOptions()
    options.intra_op_num_threads = variant["additional_metadata"]["secateur"]["threads"]
    available = ort.get_available_providers()
    providers = [p for p in (variant["ep"], "CPUExecutionProvider") if p in available]
    return ort.InferenceSession(str(model), options, providers=list(dict.fromkeys(providers)))


def golden():
    run, spec = session(), load(FACTS["parts"]["golden"])
    for number, case in enumerate(spec["cases"]):
        feeds = {t["name"]: np.load(ROOT / t["file"]) for t in case["inputs"]}
        got = run.run([t["name"] for t in case["outputs"]], feeds)
        for tensor, value in zip(case["outputs"], got):
            want = np.load(ROOT / tensor["file"])
            if tensor["name"] in spec.get("randomOutputs", []):
                assert np.ndim(value) == want.ndim and np.all(np.isfinite(value)), tensor["name"]
                print(f"case {number} {tensor['name']}: random, {list(np.shape(value))}, finite")
                continue
            np.testing.assert_allclose(
                value, want, rtol=spec["rtol"], atol=spec["atol"][tensor["name"]], err_msg=tensor["name"]
            )
            print(f"case {number} {tensor['name']}: {list(want.shape)} within tolerance")


def prepare(path, shape):
    from PIL import Image

    p = FACTS["preprocess"] or {}
    nchw = p.get("layout", "NCHW") == "NCHW"
    image = Image.open(path).convert("L" if p.get("colorOrder") == "GRAY" else "RGB")
    filters = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}
    how = filters[p.get("interpolation", "bilinear")]
    resize = p.get("resize")
    if resize and "shortestEdge" in resize:
        edge, (w, h) = resize["shortestEdge"], image.size
        image = image.resize((edge, int(edge * h / w)) if w <= h else (int(edge * w / h), edge), how)
    elif resize:
        image = image.resize((resize["width"], resize["height"]), how)

    def crop(im, w, h):
        left, top = (im.size[0] - w) // 2, (im.size[1] - h) // 2
        return im.crop((left, top, left + w, top + h))

    if p.get("crop"):
        image = crop(image, p["crop"]["width"], p["crop"]["height"])
    h, w = shape[2:4] if nchw else shape[1:3]
    if isinstance(w, int) and isinstance(h, int) and image.size != (w, h):
        factor = max(w / image.size[0], h / image.size[1])
        size = (max(w, round(image.size[0] * factor)), max(h, round(image.size[1] * factor)))
        image = crop(image.resize(size, how), w, h)
    x = np.asarray(image, dtype=np.uint8)
    x = x[:, :, None] if x.ndim == 2 else x
    if p.get("colorOrder") == "BGR":
        x = x[:, :, ::-1]
    if p.get("dtype") != "uint8":
        x = x.astype(np.float32) * np.float32(p.get("rescale", 1))
        x = (x - np.float32(p.get("mean", [0]))) / np.float32(p.get("std", [1]))
    return np.ascontiguousarray((x.transpose(2, 0, 1) if nchw else x)[None])


def classify(path):
    run = session()
    spec = run.get_inputs()[0]
    scores = run.run(None, {spec.name: prepare(path, spec.shape)})[0].reshape(-1)
    labels = FACTS["parts"]["labels"]
    names = (ROOT / labels).read_text(encoding="utf-8").splitlines() if labels else None
    for c in np.argsort(scores)[::-1][:5]:
        print(f"{scores[c]:10.4f}  {names[c] if names else c}")


if __name__ == "__main__":
    classify(sys.argv[1]) if len(sys.argv) > 1 else golden()
`;
