"""The message that everybody handles: 200 bytes of JSON, told apart by its number.

The backlog and the pacer enter. work.Order is its other side.
"""

MESSAGE_BYTES = 200


def message(number: int, sent_ns: int = 0) -> bytes:
    """The JSON of message `number`, 200 bytes."""
    head = (
        f'{{"id":{number},"customer":"customer-{number % 9973:04d}","amount":{number % 1000}.25,'
        f'"currency":"EUR","sent_ns":{sent_ns},"note":"'
    )
    return f'{head}{"x" * (MESSAGE_BYTES - len(head) - 2)}"}}'.encode()
