"""Times TFLite files on this machine, and prepares and reads the same for a phone.

    python -m tfdistill.benchmark --output_dir=runs/mini
    python -m tfdistill.benchmark --model=student_int8.tflite --references --plot=speed.svg
    python -m tfdistill.benchmark --model=student_int8.tflite --phone=for_phone
    python -m tfdistill.benchmark --read=phone.txt
    python -m tfdistill.benchmark --build_latency_table=latency.json --tokens=32

It times the files in export/ of the run in --output_dir and its teacher, or --model: a file or a
folder. The files take turns, on one thread and on all, with texts of several lengths. --phone
writes a folder with what a phone needs, and --read shows the times that the phone printed.
--build_latency_table times BERTs of many shapes with random weights and writes a model of the time
of any other one; a stopped table is continued. With --json: {"machine", "files", "times"}, or the
table.
"""

from tfdistill.command_line.cli import Command
from tfdistill.command_line.console import Console
from tfdistill.settings.benchmark import Benchmark
from tfdistill.system import strict_json

COMMAND = Command(
    __doc__,
    (Benchmark, "model", "output_dir", "shards_dir", "part", "json"),
    help={
        "part": "Parts of a student of `recipe`=dynabert, separated by commas, such as "
        "full,w50,w50d75: its student_parts files are timed once for each; empty: not at all, "
        "unless `model` names one, which is timed as the whole student.",
        "model": "A .tflite file, or a folder of such files; empty: those of the run in "
        "`output_dir`, and its teacher.",
        "output_dir": "Run whose files are timed if `model` is empty.",
        "shards_dir": "Folder that keeps the files made for the comparison: those of the run's "
        "teacher, of `references`, and of each depth for `build_latency_table`.",
    },
)


def main():
    """Runs the command."""
    COMMAND.run(_benchmark)


def _benchmark(config):
    from tfdistill.run.benchmark import benchmark_and_show

    result = benchmark_and_show(config, Console(json=config.json))
    if config.json:
        print(strict_json.dumps(result))


if __name__ == "__main__":
    main()
