// How a Filesystem lets others go first: an operation that would take long begins what takes long as a task, and
// throws Later. Nothing that can be seen has happened by then. Whoever asked waits until the task is over; if it has
// failed, so has the operation, else it is called once more and finds done what the task did. A Filesystem throws it
// only where somebody has told it who does tasks, and that is somebody who knows what to do with it (Dispatcher).

/** What became of a task. */
export interface TaskResult {
  /** 0, or why it failed. */
  readonly errno: number;
  /** How many bytes were copied. */
  readonly bytes: number;
  readonly durationMs: number;
}

/** Something long that is done aside. */
export interface Task {
  /** Unset while it is under way; then 0, or why it failed. */
  readonly errno: number | undefined;
  /** Called once, by who did it. */
  finish(result: TaskResult): void;
  /** Nobody waits for it any more, so that it need not be done; it is over soon in any case. */
  abandon(): void;
  /** It is over, and those who waited for it had their turn. */
  end(): void;
}

/** No failure: a request to be called again. */
export class Later extends Error {
  readonly task: Task;

  constructor(task: Task) {
    super('the operation waits for a task');
    this.name = 'Later';
    this.task = task;
  }
}

/** Who does tasks, for who lets requests wait for them. */
export interface TaskSource {
  /** Set while an operation is called again whose task is over: it is not to be put off for the same reason. */
  again: boolean;
  /** The next task that is over. */
  takeFinished(): Task | undefined;
}
