"""Spellings of final answers: which are the same, which are not. One row each: what was said, then the reference."""

import json
import threading

import pytest
from flywheel.judge.verifiers import Case, built_in, complete_options, run_verifier
from flywheel.judge.verifiers import _expression as expression_module
from flywheel.judge.verifiers._worker import Worker

MATH = built_in()["math"]

SAME = r"""
**Answer: 3**|3
**Answer:** 3|3
Answer: **3**|3
<answer>3</answer>|3
<answer>\boxed{3}</answer>|3
#### 3×10⁵|300000
#### 3 x 10^5|300000
#### 3 \times 10^{5}|300000
#### 3e5|300000
#### 3*10^5|300000
\boxed{5!}|120
答案是：42|42
答案：42|42
最终答案是42|42
\boxed{0.\overline{3}}|1/3
#### 0.333...|1/3
#### 0.(3)|1/3
#### 0.1\overline{6}|1/6
#### US$5|$5
#### US$5|5
**Final Answer:** \(3\)|3
Final Answer: \(3\)|3
Final Answer: $3$|3
The final answer is **3**.|3
The answer is $\boxed{3}$.|3
#### x = 3|3
\boxed{x=3}|3
\boxed{f(2) = 3}|3
\boxed{1+2=3}|3
#### 3.0|3
#### three|3
#### three apples|3
#### twenty-one|21
#### five hundred|500
#### 5k|5000
#### $5k|5000
#### 5K|5000
#### $1.5M|1500000
#### 50 cents|$0.50
#### 50 cents|50
#### €50|50
#### $50|50 dollars
#### 5 hrs|5 hours
#### 5 cm^2|5 square centimeters
#### 90 degrees|90^\circ
\boxed{90^\circ}|90 degrees
#### 1 hour|60 minutes
#### 2:3|2:3
#### 2:3|2/3
#### 3,14|3.14
#### 52|52_8
\boxed{52_8}|52_8
\boxed{52_{8}}|52_8
\boxed{2\sqrt{3} \approx 3.46}|2\sqrt{3}
#### about 5|5
#### approximately 3.5 hours|3.5
#### She sold 72 clips in April and May|72
A: Natalia sold 72 clips altogether in April and May.|72
#### She pays $18 in total|18
The answer is that she has 5 apples left.|5
\boxed{1+\sqrt{19}, 1-\sqrt{19}}|1 \pm \sqrt{19}
\boxed{3,5,7}|3, 5, 7
\boxed{-2,1}|1,-2
\boxed{\{1,-2\}}|1,-2
\boxed{(3,4]}|(3,4]
\boxed{(2,\infty)}|(2,\infty)
\boxed{(-\infty,2)\cup(3,\infty)}|(-\infty, 2) \cup (3, \infty)
\boxed{x=3 \text{ or } x=4}|3,4
\boxed{x = 1, -2}|1,-2
\boxed{C}|\text{(C)}
\boxed{\text{C}}|\text{(C)}
\boxed{\text{(C)}}|C
#### 1 234|1234
#### 1 234 567|1,234,567
#### 10,080|10,\!080
#### 32,348|\$32,\!348
\boxed{\$32,348}|\$32,\!348
\boxed{\tfrac{1}{2}}|\frac12
\boxed{2√3}|2\sqrt{3}
\boxed{2π}|2\pi
#### 2pi|2\pi
#### sqrt(12)|2\sqrt{3}
#### 2*sqrt(3)|2\sqrt{3}
#### x**2+1|x^2+1
\boxed{-\frac{\sqrt{3}}{3}}|-\frac{1}{\sqrt 3}
\boxed{\frac{270}{7}^\circ}|\frac{270}7\text{ degrees}
\boxed{\text{east}}|\text{east}
#### East|\text{east}
#### +7|7
#### 7 dollars per day|7
#### $7/day|7
#### 60 mph|60 miles per hour
#### 60|60 mph
#### 3 1/2|3.5
#### 3\frac{1}{2}|7/2
#### 5%|5
#### 5 percent|5\%
#### 12 noon|12
\boxed{y=2x+3}|y = 2x + 3
\boxed{2x+3}|y=2x+3
\boxed{k=5}|5
\boxed{\angle ABC = 30^\circ}|30
\boxed{10!}|3628800
#### 4 dozen|48
#### Evelyn.|\text{Evelyn}
\boxed{\dfrac{17}{50}}|0.34
\boxed{0.34}|\dfrac{17}{50}
#### .5|0.5
#### ½|0.5
#### 2½|2.5
#### $-5|-5
#### -$5|-5
\boxed{3 \text{ units}}|3
\boxed{3\,\text{cm}}|3
\boxed{3\ \mathrm{cm}}|3 cm
\[ \boxed{3} \]|3
\boxed{ 3 }|3
\boxed{2^{1000}}|2^{1000}
\boxed{4^{500}}|2^{1000}
\boxed{3n+2}|2+3n
\boxed{xy}|yx
\boxed{\emptyset}|\emptyset
The answer is: 3|3
My answer is 3.|3
The correct answer is 3, since 1+2=3|3
#### 5:30 PM|5:30 pm
#### 300 K|300K
#### 5 ft|5 feet
#### 1,50,000 rupees|150000
#### Rs. 500|500
#### 500 Rs|500
#### 25 years old|25
#### 18 eggs|18
#### 42.|42
#### **$18**|18
#### 16 ounces|1 pound
\boxed{12\pi \text{ cm}^2}|12\pi
\boxed{2\sqrt{3} \text{ cm}}|2\sqrt{3}
\boxed{\sqrt{25}}|5 cm
A: 7 because 3+4 is 7|7
#### AB = 7|7
#### total cost = $7|7
\boxed{\angle A = 7^\circ}|7
\boxed{f^{-1}(3) = 7}|7
\boxed{a_{10} = 7}|7
#### 48/2 = 24|24
#### 48/2 clips = 24|24
Answer: Let us see. So the answer is 8.|8
\boxed{\theta = 7}|7
\boxed{P(A) = 0.5}|1/2
\boxed{x \approx 3.14}|3.14
#### 7 = 7|7
\boxed{\overline{AB} = 7}|7
\boxed{n = 7}|7
#### The total is = 7|7
#### one third|1/3
#### one-third|1/3
#### seven hundred|700
#### minus 7|-7
#### negative 7|-7
#### negative seven|-7
#### a hundred|100
#### 1 ½ cups|1.5
#### 1½|3/2
#### ７|7
#### 7²|49
#### 36 km/h|36 kilometers per hour
#### 10/hour|10 per hour
\boxed{\text{7 apples}}|7
\boxed{7 \text{ and } 8}|7,8
\boxed{(7,8)}|(7, 8)
\boxed{\left(7,8\right)}|(7, 8)
\boxed{7{,}000}|7000
\boxed{7\,000}|7000
\boxed{7\%}|7
\boxed{\dfrac{7}{8}}|0.875
\boxed{7/8}|\frac{7}{8}
\boxed{-\frac{7}{8}}|\frac{-7}{8}
\boxed{\frac{-7}{8}}|-7/8
\boxed{\sqrt[3]{8}}|2
\boxed{2^{3}}|8
\boxed{x \in [7,8]}|[7,8]
\boxed{[7,8]}|x \in [7,8]
\boxed{x\le 7}|x\leq 7
\boxed{7 \ge x}|x\leq 7
\boxed{a=7, b=8}|a=7,b=8
\boxed{y=7x}|7x
\boxed{7x=y}|y=7x
\boxed{\text{Yes}}|yes
\boxed{\textbf{Yes}}|Yes
\boxed{\textbf{(C)}\ 7}|C
\boxed{C. 7}|C
\boxed{\$7}|7
\boxed{7 dollars}|\$7
\boxed{7 \times 10^3}|7000
\boxed{7\cdot 10^{3}}|7000
\boxed{7.0 \times 10^{-3}}|0.007
\boxed{\approx 7}|7
\boxed{7.00}|7
\boxed{\frac{\pi}{4}}|\pi/4
\boxed{\frac{1}{4}\pi}|\pi/4
\boxed{45°}|45
\boxed{x=\frac{-1\pm\sqrt{5}}{2}}|\frac{-1 \pm \sqrt{5}}{2}
\boxed{\frac{-1+\sqrt{5}}{2},\frac{-1-\sqrt{5}}{2}}|\frac{-1 \pm \sqrt{5}}{2}
\boxed{\emptyset}|\varnothing
\boxed{\infty}|+\infty
\boxed{(-\infty, 7]}|(-\infty,7]
\boxed{\mathbb{R}}|\mathbb{R}
\boxed{1, 2, and 3}|1,2,3
\boxed{1,2,3}|{1,2,3}
\boxed{\{3,2,1\}}|\{1,2,3\}
\boxed{3:4}|3 : 4
\boxed{3/4}|3:4
\boxed{10\text{ cm}}|10
#### 12 cm.|12
#### $12.|12
#### 12 \text{ cm}|12
#### 12 cm²|12
#### 1,000,000|1000000
#### 1000000|1 million
#### 1.2 million|1200000
#### $1.2 million|1200000
#### 12pm|12 PM
The final answer is $\boxed{7}$. I hope it is correct.|7
Final Answer: The final answer is $7$. I hope it is correct.|7
**Answer**: 7|7
### Answer: 7|7
Therefore, the answer is 7 apples.|7
The answer is therefore 7.|7
So the answer would be 7|7
The answer: 7|7
Answer = 7|7
A: $7|7
A: The answer is 7.|7
The correct answer is **7**|7
The answer is 7 and not 8|7
The answer is 7, not 8.|7
#### seven|7
#### 7 left|7
#### 7 more|7
#### 7 total|7
#### 7 in total|7
#### 7 each|7
\boxed{\frac{1}{2}x}|\frac{x}{2}
\boxed{(x,y)=(1,2)}|(1,2)
\boxed{(x, y) = (1,2)}|(x,y)=(1,2)
\boxed{0.\overline{3}x}|\frac{x}{3}
#### 3 millions|3000000
#### 3 millions of dollars|$3,000,000
#### 3 dozens|36
#### 3 lakh|300000
#### 12 grand|12000
#### 3 gross|432
#### 12 apple pies|12
#### 12 people|12
#### 1 apple|1
#### 1/2 cup|0.5
#### $12 profit|12
#### 12 gizmo|12 gizmo
#### 12|12 sheep
#### 12 яблок|12
#### $5 per hour|$5
#### $5/hr|5 dollars per hour
#### $120 per day|$5 per hour
#### It will take them 12 hours|12
#### He earns a total of $12 a day|12
#### The sum of the ages is 12|12
#### They can buy 12 apples|12
#### She finished in 12 days|12
#### She needs 48 / 12 = 4 pans to bake all of the cupcakes.|4
#### This leaves him with 52 - 13 = 39 math problems to complete on Thursday.|39
#### 14 years since her son was born|14
"""
DIFFERENT = r"""
#### 3 millions|3
#### 3 dozens|3
#### 12 hundreds|12
#### 3 lakh|3
#### 3 crore|3
#### 3 quadrillion|3
#### 3 octillion|3
#### 12 grand|12
#### 3 gross|3
#### 3 score|3
#### 3 twelfths|3
#### 3 millionths|3
#### 3 per mille|3
#### 12 Mio|12
#### 12 Millionen|12
#### 12 тысяч|12
#### 12 万|12
#### 12 is wrong|12
#### 12 incorrect|12
#### 12 doubled|12
#### 12 too few|12
#### 12 unless raining|12
#### 12 octal|12
#### 3 mod 4|3
#### 12 foo|12 gizmo
#### $5 per hour|$5 per day
#### 5 dollars per hour|$5 per day
#### the total exceeds 12 easily|12
#### almost 12 apples there|12
#### he has up to 12 apples|12
#### It is impossible to have 12|12
#### the square of 12 feet|12
#### a third of 12 apples|12
#### one of the 12 apples|12
#### He failed to get 12 apples|12
#### 12 and change|12
#### 12 basis points|12
#### 12 bakers dozens|12
#### 7//8|7
\boxed{7^{2{,}000}}|7
\boxed{7 \approx 8}|7
#### 101_2|101
#### 5k|5
#### 50 cents|$50
#### €50|$50
\boxed{tea}|eat
\boxed{\text{tea}}|\text{eat}
#### 6:2|3
#### 1,2|12
#### 5xy|5
#### 5n|5
#### 5a|5
#### 7 8|15
#### 7 = 8|8
\boxed{x+1=3}|3
\boxed{4,3}|(3,4)
\boxed{(5,3)}|(2,1)
\boxed{[3,4]}|(3,4)
\boxed{2\times10^{-8}}|1\times10^{-8}
\boxed{0.0000002}|10^{-7}
#### 10/2/2021|05/01/2021
#### 6:20|3:10
#### 7 \pm 2|7
#### 7?8|7
#### not 7|7
#### 7 less|7
#### less than 7|7
#### at least 7|7
#### 7 tenths|7
#### 1.5 and 2|1.5
#### half of 7|7
#### 5M|5
#### $5k|5
#### 5 million|5
\boxed{5!}|5
#### 7 \foo 8|8
#### between 7 and 8|7
#### no|on
#### y = 5|x=5
#### 5 pm|5 am
#### 7-8|7
#### 10-15|10
#### I think 7 is wrong|7
#### 7'|7
#### 3.14|\pi
#### 2^3|23
#### 12.|1.2
#### 1 2|12
#### 1.2.3|1.2
#### 7 8/9|7
#### -7|7
#### 7-|7
#### 0.3|1/3
#### 0.33|1/3
#### 50%|0.5
#### 5 euros|5 dollars
#### A|B
#### 3x|3y
#### 7/|7
#### 1e5|1
#### 7^|7
#### (7|7
#### 7;8|7
#### 5 dollars|5 cents
#### 5 cm^2|5 cm
#### 5 hours|5 minutes
#### 12 or 13|13
#### 3 \cdot|3
#### x|X1
#### 5 and 5|5
#### $5 per day|$5 euros
#### 7 (not 8)|8
#### \sqrt{2} \approx 1.5|1.5
#### >7|7
#### <7|7
#### ~8|7
#### 7+|7
#### 1,234,5|12345
#### 7..8|7
#### 2 of 7|2
#### 7 out of 10|7
#### 3 times 4|3
#### 5 remainder 2|5
#### 5 R 2|5
#### 5R2|5
#### 1/0|1
#### \infty|-\infty
#### 5 i|5
#### 5i|5
#### 5 feet 3|5
#### 4 x 5|4
#### yes|no
#### 30 degrees|30°C
#### Monday|Tuesday
#### 7 choose 2|7
#### "7|8
\boxed{12\pi \text{ cm}^2}|12\pi \text{ cm}
#### half = 7|7
#### sin x = 7|7
#### xy = 8|8
#### 2x = 8|8
#### x < 8 so the|8
#### half the number = 7|7
\boxed{\sqrt{x} = 7}|7
#### not x = 7|7
\boxed{x^2=7}|7
\boxed{\frac{x}{2}=7}|7
#### x \neq 7|7
#### x != 7|7
#### x >= 7|7
\boxed{x \to 7}|7
#### 0$7|7
#### & ≈ 7|7
#### 7 = x + 1|7
#### 3 = 7|7
#### log x = 7|7
#### 15 minutes|15 hours
#### 3 km|3 m
#### 1.5|1,5,0
#### 12:30|12.5
#### 12h30|12
#### 2 dozen|2
#### 5 thousand|5
#### 5 m|5 cm
#### -$5|5
#### ($5)|6
#### 1/2|1/3
#### 5 x 10|5
#### 5x10|5
#### 10^|10
#### 1,234.5|12345
#### 0.05|0.5
#### 50|0.5
#### 5th|5
#### 5 + 3|5
#### 5 more than x|5
#### 5 times x|5
#### 2 and 3|5
#### 1 in 6|1
#### 1 out of 6|1
#### 7 days and 3 hours|7
#### 7 or more|7
#### more than 7|7
#### about 7 or 8|7
#### 7 to 8|7
#### 7–8|7
#### 7, maybe 8|7
#### The number 7 is incorrect|7
#### Impossible to tell, 7|8
#### unknown|7
#### x|7
#### No solution|0
#### none|0
#### infinity|0
\boxed{\{7,8\}}|7
\boxed{7,8}|7
\boxed{7\text{ or }8}|7
\boxed{(7)}|8
\boxed{[7,8)}|(7,8)
\boxed{(-\infty,7)}|7
\boxed{x\leq 7}|7
\boxed{x<7}|x>7
\boxed{x<7}|x\leq 7
\boxed{7\sqrt{2}}|7
\boxed{7^{\circ}C}|7^{\circ}F
\boxed{7i}|7
\boxed{7\pi}|7
\boxed{\pi}|3.14
\boxed{3.14}|\pi
\boxed{e}|2.718
\boxed{2^{10}}|210
\boxed{2^10}|210
\boxed{\frac{7}{1}x}|7
\boxed{\log 7}|7
\boxed{\sin 7}|7
\boxed{7a}|7b
\boxed{7a}|8a
\boxed{AB}|CD
\boxed{\text{no}}|\text{on}
\boxed{dog}|god
\boxed{\text{A}}|B
\boxed{x+y}|x-y
\boxed{a=7,b=8}|7
\boxed{a=7,b=8}|a=8,b=7
\boxed{\frac{1}{2}, 3}|1/2
\boxed{\begin{pmatrix}1\\2\end{pmatrix}}|\begin{pmatrix}2\\1\end{pmatrix}
\boxed{7!}|7
\boxed{7!!}|8
\boxed{0.1}|0.\overline{1}
\boxed{0.\overline{12}}|0.1\overline{2}
\boxed{0.333}|1/3
\boxed{33.33\%}|1/3
\boxed{10%}|0.1
#### 7 (seven) eight|7
#### 3rd|3
#### No. 7|8
#### A7|7
#### 7A B|7
#### v7|7
#### 7.8.9|7.8
#### 192.168.1.1|192
#### 2021-05-01|2015
#### 5-1|5
#### 0x7|7
#### 0x7|0
#### 7e|7
#### 1e400|1
#### 1e99|1
#### ７|8
#### ²7|7
#### 7²|7
#### 7²|72
#### ⁷|7
#### ½7|7
#### 1½|11/2
#### VII|7
#### minus 7|7
#### negative seven|7
#### seventy|7
#### seventh|7
#### sevens|7
#### ten and a half|10
#### zero point five|0
#### one over two|1
#### one two|1
#### 5 five|55
#### twenty one|20
#### 6 ft 2|6
#### 6'2"|6
#### 6'|6 m
#### 5 $|5 €
#### 5 dollars and 50 cents|5
#### $5.50|550 dollars
#### 1 dollar|1 cent
#### 30 seconds|30 minutes
#### 2 kg|2 g
#### 10 m/s|10 km/h
#### 10 km/h|10 m
#### 10 per hour|10 per day
#### 10/hour|10/day
#### 5 cm^3|5 cm^2
#### 5 square feet|5 feet
#### 100 C|100 F
#### 7 AM|7 PM
#### 7:00 AM|7:00 PM
\boxed{\frac{1}{2}x}|\frac{1}{2x}
\boxed{\frac{1}{4}\pi}|\frac{1}{4\pi}
\boxed{(x,y)=(2,1)}|(1,2)
\boxed{½x}|\frac{1}{2x}
"""


def rows(table):
    return [line.rsplit("|", 1) for line in table.strip().split("\n")]


def judge(completion, expected):
    return run_verifier(MATH, Case(completion, expected), complete_options(MATH, {}))


@pytest.mark.parametrize(("completion", "expected"), rows(SAME))
def test_usual_spellings_of_one_answer(completion, expected):
    assert judge(completion, expected).reason == "correct"


@pytest.mark.parametrize(("completion", "expected"), rows(DIFFERENT))
def test_answers_that_only_look_alike(completion, expected):
    assert judge(completion, expected).reason == "wrong answer"


@pytest.mark.parametrize(
    ("completion", "expected", "passed"),
    [
        ("so 3 × 10^5", "300000", True), ("so 3 × 10^5", "5", False), ("it is 7^2", "49", True), ("it is 7^2", "7", False),
        ("it is 5 million.", "5000000", True), ("it is 5 million", "5", False), ("it is $5k", "5", False), ("so, $1,234.", "1234", True),
        ("minus 12", "12", False), ("minus 12", "-12", True), ("15 minus 12 is 3", "3", True), ("12 thousands", "12", False),
        ("12 thousands", "12000", True), ("12x", "12", False), ("12 squared", "12", False), ("√12", "12", False), ("12 000", "0", False),
        ("12 000", "12000", True), ("1 000 012", "12", False), ("1 000 012", "1000012", True), ("so 12kg", "12", True), ("at 12pm", "12", True),
    ],
)  # fmt: skip
def test_the_last_number_is_read_with_what_makes_another_of_it(completion, expected, passed):
    verdict = run_verifier(MATH, Case(completion, expected), complete_options(MATH, {"markers": ["last number"]}))
    assert verdict.passed is passed


def test_a_solution_may_begin_with_answer():
    assert judge("Answer: Let us see, 5 + 3.\nThe answer is 8", "8").passed
    assert judge("Answer: Let us see. So the answer is 8.", "8").passed
    for heading in ("### Final Answer", "**Final Answer**\n", "**Answer:**", "Hence the final answer is:\n"):
        assert judge(f"{heading}\n7", "7").passed


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("The answer is 5. Wait, no, it is 6.", "6"), ("A: 5\nHold on: 3 + 3 is 6", "6"), ("The answer is 5. I made a mistake.", None),
        ("The answer is 6. They wait there.", "6"), ("The answer is 5. Wait. The answer is 6.", "6"), ("#### 6", "6"),
        ("The answer is 5. But actually it's 6.", "6"), ("The answer is 5. Hmm, that's wrong, it's 6.", "6"), ("The answer is 5. Sorry, 6.", "6"), ("The answer is 5. My bad, 6.", "6"),
        ("The answer is 5. In fact it's 6.", "6"), ("The answer is 5. That's wrong.", None), ("The answer is 6. Confidence: 95%", "6"),
        ("The answer is 5. Let me check: 2*3=6. So it's 6.", "6"), ("The answer is 5. On reflection, 6.", "6"), ("A: 5\nActually it is 6.", "6"),
        ("The answer is 6. Let me check: 2*3=6. Correct.", "6"), ("The answer is 6. Actually, that's right.", "6"),
        ("The answer is 6. But she also has 5 dogs.", "6"), ("The answer is 6. But it's 5 more than 1.", "6"),
    ],
)  # fmt: skip
def test_an_answer_that_is_taken_back_is_none(completion, answer):
    assert [n for n in ("5", "6") if judge(completion, n).passed] == ([answer] if answer else [])


def in_a_thread(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join(60)
    return found[0]


SLOW = (r"\boxed{(x+y+z)^{400}}", "(x+y+z+1)^{399}")


def test_the_time_limit_holds_in_every_thread(monkeypatch):
    monkeypatch.setattr(expression_module, "_algebra", Worker("_algebra", 1))
    verdict = in_a_thread(lambda: judge(*SLOW))
    assert (verdict.passed, verdict.reason) == (None, "timed out")
    assert in_a_thread(lambda: judge(r"\boxed{\sqrt{8}}", r"2\sqrt{2}")).reason == "correct"
    expression_module._algebra.close()


def test_a_worker_that_cannot_work_says_so():
    with pytest.raises(ChildProcessError, match="no_such"):
        Worker("no_such", 1).ask("x")


def test_a_reference_that_cannot_be_read_is_an_abstention():
    verdict = judge("#### 7", r"7 \approx 8")
    assert (verdict.passed, verdict.reason) == (None, "unreadable reference")
    assert judge(r"#### 7 \approx 8", r"7 \approx 8").passed
    assert judge(r"\boxed{2\sqrt{3}}", r"\$32,\!348").passed is False


def test_answers_of_math_in_another_spelling(shared_data):
    """Spaces, display fractions and dollars change no answer of MATH."""
    answers = [json.loads(line)["answer"] for line in (shared_data / "math" / "math500.jsonl").read_text().splitlines()]
    for answer in answers:
        spelled = answer.replace("\\frac", " \\dfrac ").replace("+", " + ").replace("-", "- ")
        assert judge(f"Final Answer: $ {spelled} $", answer).passed, answer
    pairs = [(a, b) for a, b in zip(answers, [*answers[1:], answers[0]], strict=True) if a.strip("x=") != b.strip("x=")]
    assert [(a, b) for a, b in pairs if judge(f"\\boxed{{{b}}}", a).passed is not False] == []
