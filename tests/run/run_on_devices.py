"""The main job on logical CPUs.

Usage: python run_on_devices.py DEVICES FLAGS    (a process of its own: TensorFlow takes the number
of logical devices only before it starts)
"""

import dataclasses
import sys

from tfdistill import train
from tfdistill.system import devices
from tfdistill.system.quiet import OF_CUDA, quiet_native_output

with quiet_native_output(OF_CUDA):  # as the commands do
    import tensorflow as tf

    tf.config.list_physical_devices("GPU")

count = int(sys.argv.pop(1))
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
prepare = devices.prepare


def prepare_devices(*args):
    choice = prepare(*args)
    return dataclasses.replace(choice, jit_compile=False, replicas=count, reason=f"{count} devices")


devices.prepare = prepare_devices
train.main()
