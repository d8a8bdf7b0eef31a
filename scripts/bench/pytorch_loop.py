"""The timed loop of the steps in PyTorch."""

import json
import time

import torch
from settings import CLIP


def run_steps(model, optimizer, batches, loss_of):
    """Trains on each batch once, with one clip and linear decay, and prints one JSON object.

    Args:
        model: the module that is trained.
        optimizer: its optimizer.
        batches: list of batches.
        loss_of: function of a batch to the loss.
    """
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / len(batches))
    losses, seconds, processor = [], [], []
    for batch in batches:
        start, busy = time.perf_counter(), time.process_time()
        loss = loss_of(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
        decay.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - busy)
    print(json.dumps({"losses": losses, "seconds": seconds, "processor": processor}))
