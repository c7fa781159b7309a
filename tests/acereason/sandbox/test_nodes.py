from acereason.sandbox.nodes import ListNode, TreeNode, call


def test_lists_become_nodes_and_back():
    def reverse(head: ListNode | None) -> ListNode | None:
        before = None
        while head:
            head.next, before, head = before, head, head.next
        return before

    assert call(reverse, [[1, 2, 3]]) == [3, 2, 1]
    assert call(reverse, [[]]) == []


def test_trees_are_written_by_level():
    def left(root: TreeNode | None, k: int) -> TreeNode | None:
        assert root is None or root.val == k
        return root and root.left

    assert call(left, [[1, 2, 3, None, 4], 1]) == [2, None, 4]
    assert call(left, [[], 1]) == []


def test_a_list_of_lists_becomes_a_list_of_nodes():
    def heads(lists: list[ListNode | None]) -> list[int]:
        return [node.val if node else 0 for node in lists]

    assert call(heads, [[[1, 2], [], [3]]]) == [1, 0, 3]


def test_what_is_not_annotated_stays():
    assert call(lambda xs: xs[::-1], [[1, 2]]) == [2, 1]
    assert call(lambda *xs: sum(xs), [1, 2]) == 3
    assert call(max, [[1, 5]]) == 5


def test_a_circle_of_nodes_ends():
    def circle(n: int) -> ListNode:
        node = ListNode(n)
        node.next = node
        return node

    assert len(call(circle, [1])) == 10**6
