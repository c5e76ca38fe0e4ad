package child

import (
	"fmt"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// KeepStderr returns the standard error under another descriptor, so that it stays with the person who
// started the program when Run sends the usual one to the log.
func KeepStderr() (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(unix.Stderr), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("failed to keep the standard error: %w", err)
	}
	return os.NewFile(uintptr(fd), "stderr"), nil
}

// divertOutput sends what upstream code prints to the log, by whatever way it found to the terminal. A
// panic goes to both.
func divertOutput(log, notes *os.File) error {
	// Loggers made before main hold the descriptor, later ones take the variable.
	if err := unix.Dup3(int(log.Fd()), unix.Stderr, 0); err != nil {
		return fmt.Errorf("failed to send the standard error to the log: %w", err)
	}
	os.Stdout, os.Stderr = log, log
	if err := debug.SetCrashOutput(notes, debug.CrashOptions{}); err != nil {
		return fmt.Errorf("failed to set where panics are shown: %w", err)
	}
	return nil
}
