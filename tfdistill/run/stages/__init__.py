"""The stages of a run, in order."""

from tfdistill.run.stages.answers import Answers
from tfdistill.run.stages.augmentation import Augmentation
from tfdistill.run.stages.evaluate import Evaluate
from tfdistill.run.stages.export import Export
from tfdistill.run.stages.prepare import Prepare
from tfdistill.run.stages.report import Report
from tfdistill.run.stages.start import Start
from tfdistill.run.stages.students import Baselines, Student
from tfdistill.run.stages.teachers import Teachers

ALL = (
    *(Prepare(), Augmentation(), Teachers(), Answers(), Start(), Student(), Baselines()),
    *(Evaluate(), Export(), Report()),
)
