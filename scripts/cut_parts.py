"""Writes parts of a classifier of texts as models of their own, to train them apart.

    python scripts/cut_parts.py --model=DIR --output_dir=DIR full w50 w25

The parts are those that DynaBERT trains: the first heads and neurons of the model, and layers that
are spread over it. The student's start of a run with --recipe=dynabert, checkpoints/student_start,
has them sorted by importance; the teacher has them in its own order.
"""

import argparse
import sys
from pathlib import Path

from tfdistill import load_tokenizer, tasks
from tfdistill.command_line.cli import exit_code_of
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.part_grid import DEPTHS, PartGrid
from tfdistill.models.subnet import extract_subnet


def main():
    """Writes a folder for each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("parts", nargs="+", metavar="PART", help="such as w50 or w25d50")
    options = parser.parse_args()
    model = tasks.get("text_classification").load(str(options.model))
    if model.head is None:
        parser.error(f"{options.model} has no head of text_classification")
    shapes = PartGrid(depths=DEPTHS).space(model.config).shapes()
    if unknown := set(options.parts) - set(shapes):
        parser.error(f"{', '.join(sorted(unknown))}: not among the parts {', '.join(shapes)}")
    tokenizer = load_tokenizer(str(options.model))
    for name in options.parts:
        part, folder = extract_subnet(model, shapes[name]), options.output_dir / name
        save_model(part, folder)
        tokenizer.save(folder, part.config.model_type, part.config.max_length)
        print(folder)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
