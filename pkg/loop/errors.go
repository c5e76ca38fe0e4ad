package loop

import "errors"

// terminalError marks an error that retrying cannot mend.
type terminalError struct{ error }

// Unwrap lets errors.Is and errors.As see the cause.
func (t terminalError) Unwrap() error { return t.error }

// Terminal marks err as one that trying again cannot mend: the loop reports it
// and waits for the key to be enqueued anew. Terminal(nil) is nil.
func Terminal(err error) error {
	if err == nil {
		return nil
	}
	return terminalError{err}
}

// IsTerminal reports whether err, or what it wraps, came from Terminal.
func IsTerminal(err error) bool {
	var terminal terminalError
	return errors.As(err, &terminal)
}
