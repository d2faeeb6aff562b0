/**
 * How states are kept in this project: a table says which event leads from which state to which, and
 * nothing else assigns the state. What a table does not list cannot happen; where it happens all the
 * same, {@link nextState} throws and whoever holds the state ends what the state is of: the tests
 * let the error through, the program logs it.
 *
 * An event that leaves a state as it is stands in the table too.
 */

/** For each state the events that may come in it, and the states they lead to. */
export type Transitions<State extends string, Event extends string> = {
  readonly [state in State]: { readonly [event in Event]?: State };
};

/** An event that the state it came in does not expect: a slip of ours. */
export class TransitionError extends Error {
  override readonly name = "TransitionError";
  readonly code = "bad_transition";

  constructor(subject: string, state: string, event: string) {
    super(`Cannot take "${event}" for ${subject}: it is in state "${state}"`);
  }
}

/**
 * The state behind `event`. `subject` names in the error whose state it is.
 *
 * @throws {TransitionError} when the table does not list the event for this state
 */
export function nextState<State extends string, Event extends string>(
  transitions: Transitions<State, Event>,
  state: State,
  event: Event,
  subject: string,
): State {
  const next = transitions[state][event];
  if (next === undefined) throw new TransitionError(subject, state, event);
  return next;
}
