package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The range from which servers that have to come back on the same port get one:
// below those that the kernel hands to outgoing connections, so that none of
// them can take it while the server is away.
const (
	lowestPort  = 20000
	highestPort = 31999
)

// FreePort returns a port of the loopback address that nobody listens on.
func FreePort() (int, error) {
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort+1)
		listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			return 0, fmt.Errorf("failed to free port %d: %w", port, err)
		}
		return port, nil
	}
	return 0, errors.New("failed to find a free port on 127.0.0.1")
}
