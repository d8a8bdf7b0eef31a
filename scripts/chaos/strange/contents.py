"""Contents of the valid files of `formats`: small, and with something of everything."""

import json

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the a whale ship sea sank , . ##s ##ed e é".split()
TEXT = "".join(
    f" = Title {number} = \n\n The whale number {number} sank the ship . \n A sea , <unk> . \n\n"
    for number in range(40)
)
CSV = "text,label\n" + "".join(
    f'"The ship, {n}, sank",{"good" if n % 2 else "bad"}\n' for n in range(40)
)
TSV = CSV.replace('"', "").replace(",", "\t").replace("ship\t", "ship ").replace("\t sank", " sank")
NUMBERS = "sentence1\tsentence2\tscore\n" + "".join(
    f"a ship {n}\tthe sea {n}\t{n / 8}\n" for n in range(90)
)
JSONL = "".join(json.dumps({"text": f"ship {n}", "label": n % 2}) + "\n" for n in range(40))
TAGGED = "".join(
    json.dumps({"tokens": ["Ahab", "sank", str(n)], "ner_tags": ["B-PER", "O", "O"]}) + "\n"
    for n in range(90)
)
CONLL = "-DOCSTART- -X- O O\n\n" + "".join(
    f"Ahab NNP B-NP B-PER\nsank VBD O O\n{n} CD O O\n\n" for n in range(90)
)
SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": f"Ships {number}",
            "paragraphs": [
                {
                    "context": "The whale sank the ship in 1820.",
                    "qas": [
                        {
                            "id": f"{number}-{place}",
                            "question": "When?",
                            "answers": [{"text": "1820", "answer_start": 27}][:place],
                            "is_impossible": not place,
                        }
                        for place in (0, 1)
                    ],
                }
            ],
        }
        for number in range(25)
    ],
}
CONFIG = {
    "architectures": ["BertForMaskedLM"],
    "model_type": "bert",
    "vocab_size": len(WORDS),
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 10,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "layer_norm_eps": 1e-12,
    "initializer_range": 0.02,
    "pad_token_id": 0,
    "id2label": {"0": "bad", "1": "good"},
    "label2id": {"bad": 0, "good": 1},
}
CONFIGS = {
    "bert": CONFIG,
    "electra": {**CONFIG, "model_type": "electra", "embedding_size": 4},
    "deberta-v2": {
        **CONFIG,
        "model_type": "deberta-v2",
        "type_vocab_size": 0,
        "pos_att_type": "c2p|p2c",
    }
    | {"relative_attention": True, "share_att_key": True, "norm_rel_ebd": "layer_norm"}
    | {"position_buckets": 8, "position_biased_input": False},
    "mobilebert": {**CONFIG, "model_type": "mobilebert", "intra_bottleneck_size": 4}
    | {"embedding_size": 4, "trigram_input": True, "true_hidden_size": 4, "use_bottleneck": True},
}
TOKENIZER = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [
        {"id": n, "content": word, "special": True, "single_word": False, "lstrip": False}
        | {"rstrip": False, "normalized": False}
        for n, word in enumerate(WORDS[:5])
    ],
    "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True}
    | {"strip_accents": None, "lowercase": True},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": None,
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##"}
    | {"max_input_chars_per_word": 100, "vocab": {word: n for n, word in enumerate(WORDS)}},
}
TOKENIZER_SETTINGS = {"tokenizer_class": "BertTokenizer", "do_lower_case": True} | {
    "model_max_length": 10,
    "mask_token": "[MASK]",
    "added_tokens_decoder": {
        str(n): {"content": word, "special": True} for n, word in enumerate(WORDS[:5])
    },
}
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]
FLAGS = (
    "# a run\n--corpus=sample\n--recipe=kd\n--steps=100\n--length=32\n--nowhole_word_masking\n"
    "--learning_rate=1e-3\n--student_config=tiny\n--teacher_config=small\n--output_dir=runs/x\n"
)
GRID = {
    "description": "A grid.",
    "flags": {"corpus": "sample", "recipe": "mlm", "steps": 10},
    "axes": {"rate": {"0": {"dropout": 0}, "0.2": {"dropout": 0.2}}, "seed": [0, 1, 2]}
    | {
        "start": {"text": {"student_init": "text"}, "x": {"length": 32, "independent_of": ["rate"]}}
    },
    "shared": {
        "teacher": {
            "axes": ["rate", "seed"],
            "last_stage": "teacher",
            "gives": {"teacher": "teacher"},
        }
    },
    "leave_out": [{"rate": "0.2", "seed": "seed-1", "reason": "no"}],
    "minutes": 3,
    "claims": [
        {
            "name": "A",
            "better": {"rate": "0.2", "start": "text"},
            "than": {"start": "x"},
            "metric": "loss",
        }
    ],
    "target": {"start": "x"},
}
PARTS = {
    "whole_heads": True,
    "layers": 1,
    "width": 4,
    "intermediate": 4,
    "step": 2,
    "sandwich": False,
}
LATENCIES = {
    "format": 1,
    "kind": "cpu",
    "machine": {},
    "smallest": dict(layers=1, width=4, intermediate=4, heads=1, head_size=2, vocabulary=9),
    "largest": dict(layers=2, width=32, intermediate=64, heads=2, head_size=16, vocabulary=100),
    "fits": [
        {"variant": "int8", "length": 16, "threads": 1}
        | {"milliseconds": {"file": 0.5, "layer": 0.25, "product": 1e-6}}
    ],
    "times": [],
}
VECTORS = "".join(f"{word} {n} 0.5 -1e-3\n" for n, word in enumerate(WORDS))
PHONE = (
    "INFO: Graph: [/data/local/tmp/student.tflite]\nINFO: Num threads: [1]\n"
    "INFO: Signature to run: [tokens_16]\nThe input model file size (MB): 4.5\n"
    "count=50 first=1 curr=2 min=1 max=3 avg=2 std=0 p5=1 median=2 p95=3\n"
    "Inference timings in us: Init: 5, First inference: 6, Warmup (avg): 7, Inference (avg): 8\n"
    "Memory footprint delta from the start of the tool (MB): init=1.5 overall=2.5\n"
)
