import re
from pathlib import Path

import pytest
import yaml
from flywheel.config import TrainConfig
from flywheel.train import METHODS, check_train
from flywheel.train._preflight import check_rows

TEXT = (Path(__file__).parent.parent.parent / "docs/train.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_recipes_in_the_docs_are_valid(block, tmp_path):
    keys = yaml.safe_load(block)["train"]
    (tmp_path / "accelerate.yaml").write_text("num_processes: 2\n")
    quantized = keys.pop("quantization", None)  # where bitsandbytes is missing it is refused, which another test sees
    check_train(TrainConfig(**keys), tmp_path)
    assert quantized is None or quantized["load_in_4bit"]


def test_every_method_and_every_kind_of_fault_is_documented():
    assert len(BLOCKS) >= 6
    assert all(f"| `{name}` |" in TEXT for name in METHODS)
    folder = Path(check_rows.__code__.co_filename).parent
    source = "\n".join(file.read_text(encoding="utf-8") for file in folder.glob("_*.py"))
    kinds = set(re.findall(r'(?:yield|return|found =) \(?"([a-z_]+)", f?["\']', source))
    kinds |= set(re.findall(r'Fault\(\w+, "(\w+)"', source))
    assert len(kinds) >= 12
    assert all(f"`{kind}`" in TEXT for kind in kinds), kinds
