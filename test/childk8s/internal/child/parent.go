package child

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// errParentEnded is why a child ends when its parent did.
var errParentEnded = errors.New("the process that started this one has ended")

// withParent returns a context that ends with the parent process (C3). The kernel tells, also after
// SIGKILL. The usual way, a parent-death signal, looks at the parent's thread, and Go programs end
// threads while they run.
func withParent(ctx context.Context) (context.Context, error) {
	parent := os.Getppid()
	if parent <= 1 {
		return ctx, nil // started by the machine itself: there is nobody to outlive
	}
	fd, err := unix.PidfdOpen(parent, 0)
	if err != nil {
		return nil, fmt.Errorf("failed to watch the parent process: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	if os.Getppid() != parent {
		cancel(errParentEnded)
		return ctx, nil
	}
	go func() {
		awaitExit(fd)
		cancel(errParentEnded)
	}()
	return ctx, nil
}

// awaitExit returns when the process behind the pidfd has ended.
func awaitExit(fd int) {
	defer unix.Close(fd)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
			return
		}
	}
}
