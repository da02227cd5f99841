"""The same of middlewares and hooks."""

from ringmain import App, AsyncCall, Call, Message, Outcome

app = App()


@app.middleware  # refused
def without_message(call: Call) -> Outcome:
    return call()


@app.middleware  # refused
def needs_more(call: Call, message: Message, database: object) -> Outcome:
    return call()


@app.on_start  # refused
def needs_argument(database: object) -> None: ...


@app.on_stop  # refused
async def needs_argument_later(database: object) -> None: ...


def drops_an_awaitable(call: AsyncCall) -> Outcome:
    return call()  # refused


def calls_with_arguments(call: Call, message: Message) -> Outcome:
    return call(message)  # refused


app.mount("/shop")  # refused
app.producer(5)  # refused
app.producer("audit").send("audit")  # refused
