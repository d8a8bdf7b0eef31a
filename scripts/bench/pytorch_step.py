"""The steps in PyTorch, with the operations of Hugging Face's public scripts.

Distillation: full logits of teacher and student for every token, real tokens selected by a boolean
mask as wide as the logits, three losses, one clip, AdamW. Masked LM: the loss of
`BertForMaskedLM`.

Usage: python pytorch_step.py WORK FOLDER    (made by make_inputs.py); prints one JSON object
"""

import sys
from pathlib import Path

import numpy as np
import torch
from pytorch_loop import run_steps
from settings import ADAMW, TEMPERATURE, WEIGHTS, WORKS
from torch.nn import functional
from transformers import BertForMaskedLM


def load_batches(folder):
    """Batches with `labels` (batch, length): the hidden token, -100 where none was hidden."""
    arrays = np.load(folder / "batches.npz")
    batches = []
    for step in range(len(arrays["input_ids"])):
        batch = {key: torch.from_numpy(arrays[key][step]).long() for key in arrays.files}
        labels = torch.full_like(batch["input_ids"], -100)
        row, place = batch["masked_weights"].nonzero(as_tuple=True)
        labels[row, batch["masked_positions"][row, place]] = batch["masked_labels"][row, place]
        batches.append((batch["input_ids"], batch["attention_mask"], labels))
    return batches


def triple_loss(student, teacher, attention_mask, labels):
    """5 KL + 2 masked LM + cosine (Sanh et al., 2019, section 2).

    Args:
        student, teacher: outputs with `logits` (batch, length, vocab) and `hidden_states`.
        attention_mask: int64 (batch, length).
        labels: int64 (batch, length), -100 where nothing is to be predicted.

    Returns:
        A float32 scalar.
    """
    vocab_size = student.logits.shape[-1]
    real = attention_mask.bool().unsqueeze(-1)  # (batch, length, 1)

    def rows(tensor):
        return tensor.masked_select(real.expand_as(tensor)).view(-1, tensor.shape[-1])

    kl = TEMPERATURE**2 * functional.kl_div(
        functional.log_softmax(rows(student.logits) / TEMPERATURE, dim=-1),
        functional.softmax(rows(teacher.logits) / TEMPERATURE, dim=-1),
        reduction="batchmean",
    )
    masked_lm = functional.cross_entropy(student.logits.view(-1, vocab_size), labels.view(-1))
    student_rows, teacher_rows = rows(student.hidden_states[-1]), rows(teacher.hidden_states[-1])
    cosine = functional.cosine_embedding_loss(
        student_rows, teacher_rows, student_rows.new_ones(len(student_rows))
    )
    return WEIGHTS["ce"] * kl + WEIGHTS["mlm"] * masked_lm + WEIGHTS["cos"] * cosine


def step_loss(student, teacher, input_ids, attention_mask, labels):
    inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
    if teacher is None:
        return student(**inputs, labels=labels).loss
    with torch.no_grad():
        teacher_output = teacher(**inputs, output_hidden_states=True)
    student_output = student(**inputs, output_hidden_states=True)
    return triple_loss(student_output, teacher_output, attention_mask, labels)


def main(work, folder):
    folder, teacher = Path(folder), None
    if WORKS[work].teacher_layers:
        teacher = BertForMaskedLM.from_pretrained(folder / "teacher").eval()
    student = BertForMaskedLM.from_pretrained(folder / "student").train()
    batches = load_batches(folder)
    optimizer = torch.optim.AdamW(
        student.parameters(),
        lr=ADAMW["learning_rate"],
        betas=ADAMW["betas"],
        eps=ADAMW["epsilon"],
        weight_decay=0.0,
    )
    run_steps(student, optimizer, batches, lambda batch: step_loss(student, teacher, *batch))


if __name__ == "__main__":
    main(*sys.argv[1:])
