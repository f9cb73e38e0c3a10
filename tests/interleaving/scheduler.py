"""One clock and one queue of events for all simulated processes, each with its own event loop.

The product's asyncio code runs as it is. A process that is killed runs not one callback more:
no `finally`, no goodbye. The same seed gives the same run; time costs nothing.
"""

import asyncio
import heapq
import inspect
from asyncio import events
from random import Random


class Violation(AssertionError):  # noqa: N818 - says what is violated
    """An invariant that does not hold; its first words name it."""


class Killed(BaseException):
    """Comes out of what a worker thread does when its process is gone meanwhile."""


class Scheduler:
    """Events by time, then by the order in which they were asked for."""

    def __init__(self, seed):
        self.now = 0.0
        self.random = Random(seed)
        self.steps = 0
        self.depth = 0  # how many workers are inside of `elapse`
        self.failure = None  # the first thing that went wrong; raised where no product code is
        self._heap = []
        self._order = 0

    def __len__(self):
        return len(self._heap)

    def at(self, when, process, call, handle=None):
        """Have `call` run then, unless its process is killed first; None: the world's own.

        Nor where its asyncio `handle` is cancelled until then.
        """
        self._order += 1
        when = max(when, self.now)
        heapq.heappush(self._heap, (when, self._order, process, call, handle))

    def later(self, seconds, process, call):
        self.at(self.now + seconds, process, call)

    def step(self, until):
        """Run the next event that is due by then; False where there is none."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            when, order, process, call, handle = heapq.heappop(heap)
            if handle is not None and handle._cancelled:
                continue
            if process is None:
                self.now = max(self.now, when)
                call()
            elif not process.alive:
                continue
            elif process.frozen_until > when:
                heapq.heappush(heap, (process.frozen_until, order, process, call, handle))
                continue
            else:
                self.now = max(self.now, when)
                events._set_running_loop(process.loop)
                try:
                    call()
                finally:
                    events._set_running_loop(None)
            self.steps += 1
            if self.failure is not None and not self.depth:
                raise self.failure
            return True
        return False

    def fail(self, failure):
        """Take note of what went wrong, if it is the first."""
        self.failure = self.failure or failure

    def run(self, seconds, *, most=1_000_000):
        """Let so much time pass; give how many events that took, at most `most`."""
        until, before = self.now + seconds, self.steps
        while self.steps - before < most and self.step(until):
            pass
        self.now = max(self.now, until)
        return self.steps - before

    def elapse(self, seconds, process, doing):
        """A worker thread of `process` waits: all others go on; Killed where it is gone then.

        Three deep at the most: who is inside comes out before who went in first.
        """
        if self.depth < 3:
            self.depth += 1
            running = events._get_running_loop()
            process.doing = doing
            try:
                self.run(seconds)
            finally:
                self.depth -= 1
                process.doing = "at ease"
                events._set_running_loop(running)
        if not process.alive:
            raise Killed


class Process:
    """A process that can be killed at any event, and frozen for a while.

    `skew` is what its wall clock is off, in microseconds.
    """

    def __init__(self, scheduler, name):
        self.scheduler = scheduler
        self.name = name
        self.alive = True
        self.frozen_until = 0.0
        self.skew = 0
        self.doing = "at ease"
        self.loop = SimulatedLoop(self)

    def spawn(self, coroutine):
        """Start a task in its loop."""
        before = events._get_running_loop()
        events._set_running_loop(self.loop)
        try:
            return self.loop.create_task(coroutine)
        finally:
            events._set_running_loop(before)

    def kill(self):
        """End it between two events; what its coroutines still hold is let go of unseen."""
        self.alive = False
        self.loop.bury()


class SimulatedLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as the product asks for, on the scheduler's clock."""

    def __init__(self, process):
        self._process = process
        self._scheduler = process.scheduler
        self._tasks = set()
        self._workers = {}
        self.connect = None  # set by whoever has a network

    def time(self):
        return self._scheduler.now

    def get_debug(self):
        return False

    def is_running(self):
        return self._process.alive

    def is_closed(self):
        return not self._process.alive

    def call_soon(self, callback, *args, context=None):
        handle = asyncio.Handle(callback, args, self, context)
        self._put(self._scheduler.now, handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay, callback, *args, context=None):
        return self.call_at(self._scheduler.now + delay, callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None):
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._put(when, handle)
        return handle

    def _put(self, when, handle):
        self._scheduler.at(when, self._process, handle._run, handle)

    def _timer_handle_cancelled(self, handle):
        """It is passed over when its time comes."""

    def create_future(self):
        return asyncio.Future(loop=self)

    def create_task(self, coro, *, name=None, context=None, **_):
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def call_exception_handler(self, context):
        error = context.get("exception")
        self._scheduler.fail(error or AssertionError(context["message"]))

    def run_in_executor(self, executor, call, *args):
        """In a thread: after a while, one at a time where the executor has one, and it takes time.

        A worker whose process is killed has done what it has done, and nobody hears of it.
        """
        future = self.create_future()
        worker = self._workers.setdefault(id(executor), _Worker(self._process))
        worker.ask(lambda: call(*args), future)
        return future

    async def create_connection(self, factory, host, port, **_):
        return await self.connect(factory)

    def bury(self):
        """Close what the dead process's coroutines hold; their world hears nothing of it."""
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            for task in list(self._tasks):
                task._log_destroy_pending = False
                _close(task.get_coro())
        finally:
            events._set_running_loop(before)
        self._tasks.clear()


def _close(coroutine):
    """Close what waits in one another, the innermost first: each `finally` is cut short, too."""
    nest = []
    while inspect.iscoroutine(coroutine):
        nest.append(coroutine)
        coroutine = coroutine.cr_await
    for one in reversed(nest):
        # A `finally` that awaits makes it a RuntimeError, and is then cut short itself.
        for _ in range(20):
            try:
                one.close()
            except RuntimeError:
                _close(one.cr_await)
                continue
            except BaseException:  # noqa: BLE001 - nobody is there to hear of it
                pass
            break


class _Worker:
    """A thread that does one thing after another."""

    def __init__(self, process):
        self._process = process
        self._waiting = []
        self._busy = False

    def ask(self, call, future):
        self._waiting.append((call, future))
        if not self._busy:
            self._busy = True
            self._soon()

    def _soon(self):
        scheduler = self._process.scheduler
        scheduler.later(scheduler.random.choice((0, 0.0002, 0.002)), self._process, self._do)

    def _do(self):
        call, future = self._waiting.pop(0)
        scheduler = self._process.scheduler
        before = events._get_running_loop()
        events._set_running_loop(None)  # a thread has none
        try:
            result, error = call(), None
        except Killed:
            return
        except Exception as raised:  # noqa: BLE001 - handed to who waits
            result, error = None, raised
        finally:
            events._set_running_loop(before)
        if not self._process.alive:
            return
        after = scheduler.random.choice((0, 0.0002, 0.005))
        scheduler.later(after, self._process, lambda: _tell(future, result, error))
        if self._waiting:
            self._soon()
        else:
            self._busy = False


def _tell(future, result, error):
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
