"""What names a person in text that people or machines wrote, and how it is blotted out."""

import json
import re
from collections.abc import Collection
from typing import Any, Final, cast

_JOB_MESSAGE: Final = {"job_id", "kind"}


class Mentions:
    """Replaces names, e-mail and network addresses of one person by a marker, wherever they stand as whole words.

    Names are told apart by letter case, as they are when somebody signs in; addresses are not.
    """

    def __init__(self, *, name: str, addresses: Collection[str], marker: str) -> None:
        self._marker = marker
        exact, loose = re.escape(name), "|".join(map(re.escape, sorted(addresses, key=len, reverse=True)))
        one_of = f"(?i:{loose})|{exact}" if loose else exact
        # Not within a longer name or address: 'ada' is neither in 'ada.b' nor in 'ada@example.org'.
        self._pattern = re.compile(rf"(?<![\w.+-])(?:{one_of})(?![\w@-]|\.\w)")
        words = {name, *addresses}
        self.words: Final = sorted(words | {json.dumps(word, ensure_ascii=False)[1:-1] for word in words})
        """Text without any of these, in whatever letter case, names nobody: for a quick look before a careful one."""

    def text(self, said: str) -> str:
        """The text without the person."""
        return self._pattern.sub(lambda _: self._marker, said)

    def values(self, value: Any) -> Any:
        """JSON values without the person; names of fields stay."""
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.values(each) for each in cast(list[Any], value)]
            case dict():
                return {key: self.values(each) for key, each in cast(dict[str, Any], value).items()}
            case _:
                return value

    def message(self, body: bytes) -> bytes:
        """A message of the broker without the person; the very same bytes if it does not name him.

        Messages about crossings and jobs, and all of an alert but its sentence, are numbers and words of ours: a person
        who is called 'in' is not meant there. What is not JSON is taken for text.
        """
        try:
            content = json.loads(body)
        except ValueError:
            said = body.decode(errors="surrogateescape")
            return self.text(said).encode(errors="surrogateescape")
        blotted = self._event(content)
        return body if blotted == content else json.dumps(blotted, separators=(",", ":"), ensure_ascii=False).encode()

    def _event(self, content: Any) -> Any:
        if not isinstance(content, dict):
            return self.values(content)
        event = cast(dict[str, Any], content)
        if event.get("type") == "crossing" or event.keys() == _JOB_MESSAGE:
            return event
        if event.get("type") == "alert":
            return {key: self.values(value) if key == "message" else value for key, value in event.items()}
        return self.values(event)
