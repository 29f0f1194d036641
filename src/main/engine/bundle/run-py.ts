/** The small Python example of a bundle. It reads everything from the bundle's files, so its text is constant. */

export const RUN_PY = `"""Runs this bundle with onnxruntime.

    python run.py                        replays the golden inputs and compares the outputs
    python run.py IMAGE                  prints the five best classes of an image (needs pillow)
    python run.py SAMPLES.npz [OUT.npz]  runs arrays that are called like the inputs, and saves the outputs

Arrays are given as the model takes them, samples along the first axis. Inputs that are left out, and inputs beside an
image, get the values of the first golden case.

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


TYPES = {"tensor(float)": "float32", "tensor(double)": "float64"}


def array(value, spec):
    return np.ascontiguousarray(value).astype(TYPES.get(spec.type, spec.type[7:-1]))


def first_case():
    case = load(FACTS["parts"]["golden"])["cases"][0]
    return {t["name"]: np.load(ROOT / t["file"]) for t in case["inputs"]}


def batched(spec, inputs):
    """Whether samples lie along the first axis: it is open, or all sizes are fixed and it is the batch of the first input."""
    if any(s.shape and not isinstance(s.shape[0], int) for s in inputs):
        return bool(spec.shape) and not isinstance(spec.shape[0], int)
    batch = next(s.shape[0] for s in inputs if s.shape)
    return bool(spec.shape) and spec.shape[0] == batch


def samples(path, to=None):
    run, data, golden_case = session(), np.load(path), first_case()
    inputs = run.get_inputs()
    found = [s for s in inputs if s.name in data]
    if not any(batched(s, inputs) for s in found):
        sys.exit(f"{path} holds {', '.join(data)}, and the inputs are {', '.join(s.name for s in inputs)}")
    rows = next(len(data[s.name]) for s in found if batched(s, inputs))
    fixed = next((s.shape[0] for s in inputs if batched(s, inputs) and isinstance(s.shape[0], int)), None)
    parts = []
    for at in range(0, rows, fixed or 32):
        count = min(fixed or 32, rows - at)
        # A model whose batch is fixed gets the first sample again where there are too few.
        which = [at + i if i < count else at for i in range(fixed or count)]
        feeds = {}
        for spec in inputs:
            if spec.name in data:
                value = array(data[spec.name], spec)
                feeds[spec.name] = value[which] if batched(spec, inputs) else value
            else:
                value = array(golden_case[spec.name], spec)
                feeds[spec.name] = value[[0] * len(which)] if batched(spec, inputs) else value
        parts.append([v[:count] if len(which) > count and np.ndim(v) else v for v in run.run(None, feeds)])
    left_out = [s.name for s in inputs if s.name not in data]
    if left_out:
        print(f"{', '.join(left_out)}: as in the first golden case")
    readings = {o["name"]: o["reading"] for o in FACTS.get("outputs", [])}
    results = {}
    for spec, values in zip(run.get_outputs(), zip(*parts)):
        results[spec.name] = value = np.concatenate(values) if np.ndim(values[0]) else values[0]
        print(f"{spec.name}: {list(np.shape(value))} {value.dtype}, {np.min(value):.4g} to {np.max(value):.4g}")
        if readings.get(spec.name) == "classes" and value.ndim == 2:
            print(f"  classes {' '.join(str(c) for c in value.argmax(1)[:20])}{' ...' if rows > 20 else ''}")
    if to:
        np.savez(to, **results)


def classify(path):
    run = session()
    inputs = run.get_inputs()
    spec = next((s for s in inputs if len(s.shape) == 4), inputs[0])
    others = first_case() if len(inputs) > 1 else {}
    if others:
        print(f"{', '.join(s.name for s in inputs if s is not spec)}: as in the first golden case")
    feeds = {s.name: array(others[s.name], s) for s in inputs if s is not spec}
    scores = run.run(None, {**feeds, spec.name: prepare(path, spec.shape)})[0].reshape(-1)
    labels = FACTS["parts"]["labels"]
    names = (ROOT / labels).read_text(encoding="utf-8").splitlines() if labels else None
    for c in np.argsort(scores)[::-1][:5]:
        print(f"{scores[c]:10.4f}  {names[c] if names else c}")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        golden()
    elif sys.argv[1].endswith(".npz"):
        samples(*sys.argv[1:3])
    else:
        classify(sys.argv[1])
`;
