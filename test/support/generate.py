"""Answers prompts with packages, written only with onnxruntime, numpy and transformers' processors.

Reads a JSON list of cases from standard input and writes a JSON list of results: tokens of the prompt and of the answer,
logits of the last prompt position, and the sum and sum of squares of the pixels. Greedy, one sequence.
"""

import json
import os
import sys

import numpy as np
import onnxruntime as ort
from PIL import Image


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(s, feeds):
    names = [o.name for o in s.get_outputs()]
    return dict(zip(names, s.run(names, feeds)))


def config(package, name):
    path = os.path.join(package, name)
    return json.load(open(path)) if os.path.exists(path) else {}


def mean_of(pixels):
    return [float(pixels.astype(np.float64).sum()), float((pixels.astype(np.float64) ** 2).sum())]


def decode(decoder, embed, context, ids, embeds, tokens, ends, pair=None):
    """Prompt at once, then token by token with the cache, or everything again where there is none."""
    taken = {i.name: i for i in decoder.get_inputs()}
    past = {
        n: np.zeros([1 if a == 0 else 0 if a == 2 else d if isinstance(d, int) else context["head"] for a, d in enumerate(i.shape)], np.float32)
        for n, i in taken.items()
        if n.startswith("past_")
    }
    cached = len(past) > 0
    seen, answer, last = 0, [], None
    fresh_ids, fresh_embeds = list(ids), embeds
    while True:
        n = len(fresh_ids)
        feeds = dict(past)
        for name in taken:
            if name == "input_ids":
                feeds[name] = np.array([fresh_ids], np.int64)
            elif name == "inputs_embeds":
                feeds[name] = fresh_embeds
            elif name == "attention_mask":
                feeds[name] = np.ones((1, seen + n), np.int64)
            elif name == "position_ids":
                feeds[name] = np.arange(seen, seen + n, dtype=np.int64)[None]
            elif name == "use_cache_branch":
                feeds[name] = np.array([seen > 0])
            elif name in context:
                feeds[name] = context[name]
        out = run(decoder, feeds)
        row = out["logits"][0, -1]
        if last is None:
            last = row
        token = int(row.argmax())
        answer.append(token)
        if token in ends or len(answer) >= tokens:
            return answer, last
        if cached:
            seen += n
            for name in past:
                past[name] = out[name.replace("past_key_values", "present")]
            fresh_ids = [token]
            fresh_embeds = embed([token]) if embed else None
        else:
            fresh_ids = fresh_ids + [token]


class Plain:
    """tokenizer.json alone, for packages whose configuration this release of transformers does not read."""

    def __init__(self, package):
        import tokenizers

        self.inner = tokenizers.Tokenizer.from_file(os.path.join(package, "tokenizer.json"))

    def __call__(self, text, add_special_tokens=True):
        self.input_ids = self.inner.encode(text, add_special_tokens=add_special_tokens).ids
        return self


def hugging_face(case):
    import transformers

    package = case["package"]
    settings = config(package, "config.json")
    generation = config(package, "generation_config.json")
    genai = config(package, "genai_config.json").get("model", {})
    ends = {generation.get("eos_token_id", settings.get("eos_token_id", genai.get("eos_token_id")))}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(package)
    except (AttributeError, ValueError):
        tokenizer = Plain(package)
    image = Image.open(case["image"]).convert("RGB") if "image" in case else None
    kind = case["kind"]
    if kind == "smolvlm":
        images = transformers.Idefics3ImageProcessor.from_pretrained(package)
        template = open(os.path.join(package, "chat_template.jinja")).read()
        length = config(package, "processor_config.json")["image_seq_len"]
        tokenizer.fake_image_token, tokenizer.image_token = "<fake_token_around_image>", "<image>"
        processor = transformers.Idefics3Processor(images, tokenizer, image_seq_len=length, chat_template=template)
        turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": case["prompt"]}]}]
        text = processor.apply_chat_template(turn, add_generation_prompt=True)
        made = processor(text=text, images=[[image]], return_tensors="np", add_special_tokens=False)
        ids = [int(i) for i in made["input_ids"][0]]
        pixels = made["pixel_values"].astype(np.float32)
        vision = session(os.path.join(package, "onnx/vision_encoder.onnx"))
        mask = made["pixel_attention_mask"].astype(bool)
        features = run(vision, {"pixel_values": pixels, "pixel_attention_mask": mask})["image_features"]
        return merged(case, package, ids, pixels, features, ends, settings["image_token_id"], settings)
    if kind == "llava":
        if "preprocessor_config.json" in os.listdir(package):
            images = transformers.CLIPImageProcessor.from_pretrained(package)
            pixels = images(image, return_tensors="np")["pixel_values"].astype(np.float32)
        else:
            steps = {t["operation"]["type"]: t["operation"]["attrs"] for t in config(package, "processor_config.json")["processor"]["transforms"] if "attrs" in t["operation"]}
            small = np.asarray(image.resize((112, 112), Image.Resampling.BICUBIC), np.float32) * np.float32(steps["Rescale"]["rescale_factor"])
            small = (small - np.array(steps["Normalize"]["mean"], np.float32)) / np.array(steps["Normalize"]["std"], np.float32)
            pixels = small.transpose(2, 0, 1)[None].astype(np.float32)
        flat = os.path.join(package, "onnx/vision_encoder.onnx")
        vision = session(flat if os.path.exists(flat) else os.path.join(package, "vision_encoder/model.onnx"))
        features = run(vision, {"pixel_values": pixels})["image_features"]
        ids = tokenizer("<image>" * 64 + "\n" + case["prompt"]).input_ids
        return merged(case, package, ids, pixels, features, ends, settings["image_token_index"], settings)
    if kind == "crossed":
        processor = getattr(transformers, config(package, "preprocessor_config.json")["image_processor_type"])
        pixels = processor.from_pretrained(package)(image, return_tensors="np")["pixel_values"].astype(np.float32)
        name = case["encoder"]
        states = run(session(os.path.join(package, name)), {"pixel_values": pixels})["last_hidden_state"]
        start = generation.get("decoder_start_token_id", generation.get("bos_token_id"))
        ids = [start] + (tokenizer(case["prompt"], add_special_tokens=False).input_ids if "prompt" in case else [])
        decoder = session(os.path.join(package, case["decoder"]))
        answer, last = decode(decoder, None, {"encoder_hidden_states": states}, ids, None, case["tokens"], ends)
        return {"prompt": ids, "answer": answer, "last": last.tolist(), "pixels": mean_of(pixels)}
    if kind == "text":
        ids = tokenizer(case["prompt"]).input_ids
        decoder = session(os.path.join(package, case["decoder"]))
        head = case.get("head", 16)
        answer, last = decode(decoder, None, {"head": head}, ids, None, case["tokens"], ends)
        return {"prompt": ids, "answer": answer, "last": last.tolist()}
    if kind == "dual":
        images = transformers.CLIPImageProcessor.from_pretrained(package)
        pixels = images(image, return_tensors="np")["pixel_values"].astype(np.float32)
        vector = run(session(os.path.join(package, "onnx/vision_model.onnx")), {"pixel_values": pixels})["image_embeds"][0]
        text = session(os.path.join(package, "onnx/text_model.onnx"))
        scores = []
        for t in case["texts"]:
            e = run(text, {"input_ids": np.array([tokenizer(t).input_ids], np.int64)})["text_embeds"][0]
            scores.append(float(vector @ e / np.linalg.norm(vector) / np.linalg.norm(e)))
        return {"scores": scores, "pixels": mean_of(pixels)}
    raise ValueError(kind)


def merged(case, package, ids, pixels, features, ends, image_token, settings):
    flat = os.path.join(package, "onnx/embed_tokens.onnx")
    width = settings["text_config"]["hidden_size"]
    rows = features.reshape(-1, features.shape[-1])
    if os.path.exists(flat):
        table = session(flat)
        decoder = session(os.path.join(package, "onnx/decoder_model_merged.onnx"))
        embed = lambda tokens: run(table, {"input_ids": np.array([tokens], np.int64)})["inputs_embeds"]
        embeds = embed(ids)
        embeds[0][np.array(ids) == image_token] = rows
    else:
        table = session(os.path.join(package, "embedding/model.onnx"))
        decoder = session(os.path.join(package, "decoder/model.onnx"))
        with_rows = lambda tokens, r: run(table, {"input_ids": np.array([tokens], np.int64), "image_features": r})["inputs_embeds"]
        embed = lambda tokens: with_rows(tokens, np.zeros((0, width), np.float32))
        embeds = with_rows(ids, rows)
    head = settings["text_config"]["head_dim"]
    answer, last = decode(decoder, embed, {"head": head}, ids, embeds, case["tokens"], ends)
    return {"prompt": ids, "answer": answer, "last": last.tolist(), "pixels": mean_of(pixels)}


def stories(case):
    """Pieces with scores: characters, then the best pair again and again."""
    package = case["package"]
    v = config(package, "tokenizer_llama2c.json")
    vocab, scores = v["vocab"], v["scores"]
    index = {p: i for i, p in reversed(list(enumerate(vocab))) if i >= 259}
    ids = []
    for c in " " + case["prompt"]:
        ids += [index[c]] if c in index else [b + 3 for b in c.encode()]
    while True:
        pairs = [(scores[index[vocab[a] + vocab[b]]], -i) for i, (a, b) in enumerate(zip(ids, ids[1:])) if vocab[a] + vocab[b] in index]
        if not pairs:
            break
        at = -max(pairs)[1]
        ids[at : at + 2] = [index[vocab[ids[at]] + vocab[ids[at + 1]]]]
    ids = [v["bos"]] + ids
    decoder = session(os.path.join(package, "model.onnx"))
    answer, last = decode(decoder, None, {}, ids, None, case["tokens"], {v["eos"]})
    text = b"".join(bytes([t - 3]) if 3 <= t < 259 else vocab[t].encode() for t in answer if t > 2).decode(errors="replace")
    return {"prompt": ids, "answer": answer, "last": last.tolist(), "text": text[1:] if text.startswith(" ") else text}


def digits(case):
    package = case["package"]
    v = config(package, "vocab.json")
    encoder = session(os.path.join(package, "encoder_model.onnx"))
    decoder = session(os.path.join(package, "decoder_model.onnx"))
    answers = []
    for path in case["images"]:
        pixels = np.asarray(Image.open(path).resize((224, 224), Image.Resampling.BILINEAR), np.float32)[None, None] / np.float32(255)
        states = run(encoder, {"pixel_values": pixels})["last_hidden_state"]
        answers.append(decode(decoder, None, {"encoder_hidden_states": states}, [v["start"]], None, case["tokens"], {v["end"]})[0])
    return {"answers": answers}


def formulas(case):
    package = case["package"]
    v = config(package, "vocab.json")
    encoder = session(os.path.join(package, "encoder.onnx"))
    decoder = session(os.path.join(package, "decoder.onnx"))
    answers = []
    for path in case["images"]:
        pixels = np.asarray(Image.open(path).convert("L"), np.float32)[None, None] / np.float32(255)
        mask = np.zeros((1, *pixels.shape[2:]), bool)
        context = run(encoder, {"pixel_values": pixels, "pixel_mask": mask})
        ids = [v["special_tokens"]["sos"]]
        answers.append(decode(decoder, None, context, ids, None, case["tokens"], {v["special_tokens"]["eos"]})[0])
    return {"answers": answers}


KINDS = {"stories": stories, "digits": digits, "formulas": formulas}
print(json.dumps([KINDS.get(c["kind"], hugging_face)(c) for c in json.load(sys.stdin)]))
