// What goes wrong with guests is the user's to mend: a missing program, a wrong name, a guest that
// died. Each such failure is one LaunchError, so that the command line can print its message as it is
// and tell it from a fault of weft itself.

/** A failure whose message is a sentence for the user: what, why and what to do. May end in lines of a guest's log. */
export class LaunchError extends Error {
  override readonly name = 'LaunchError';
}
