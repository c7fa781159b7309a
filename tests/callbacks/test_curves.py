from callbacks.curves import draw


def test_the_picture_has_stages_evaluations_and_four_panels():
    curves = {
        "reward/mean": [(0, 0.1), (1, 0.2), (2, 0.4)],
        "stage/index": [(0, 0.0), (1, 0.0), (2, 1.0)],
        "eval/heldout/avg": [(0, 0.5), (2, 0.9)],
        "eval/heldout/stderr": [(0, 0.05), (2, 0.02)],
    }
    figure = draw(curves, ["math_8k", "math_16k"], "a run")
    reward = figure.axes[0]
    assert [axes.get_title() for axes in figure.axes] == ["reward", "entropy", "response length", "truncated"]
    assert [text.get_text() for text in reward.texts] == ["math_8k", "math_16k"]
    assert [label.get_text() for label in reward.get_legend().get_texts()] == ["training reward", "heldout accuracy"]
