package child

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// chooseIdentity settles name and ports from what was asked for and what the directory remembers. Ports
// that are still 0 are for the system to choose.
func chooseIdentity(asked Options, known identity, found bool) (identity, error) {
	chosen := identity{Name: asked.Name, Port: asked.Port, KubeletPort: asked.KubeletPort}
	if !found {
		return chosen, nil
	}
	if known.Name != asked.Name {
		return identity{}, usagef("the directory %s belongs to the cluster %q, not %q: give another --dir", asked.Dir, known.Name, asked.Name)
	}
	if chosen.Port == 0 && known.Port != asked.KubeletPort {
		chosen.Port = known.Port
	}
	if chosen.KubeletPort == 0 && known.KubeletPort != chosen.Port {
		chosen.KubeletPort = known.KubeletPort
	}
	return chosen, nil
}

// listen opens a loopback port, or says whose it is not.
func listen(port int, flag string) (net.Listener, error) {
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d on 127.0.0.1 is taken by another process: stop that one, or give another %s", port, flag)
	}
	if errors.Is(err, syscall.EACCES) {
		return nil, fmt.Errorf("port %d needs more rights than this user has: give a %s above 1023", port, flag)
	}
	if err != nil {
		return nil, fmt.Errorf("failed to listen on 127.0.0.1: %w", err)
	}
	return listener, nil
}

func portOf(listener net.Listener) int { return listener.Addr().(*net.TCPAddr).Port }

// probe finds out that a port is free, or finds a free one for 0. Whoever listens there next is a little
// later, and may lose it in between.
func probe(port int, flag string) (int, error) {
	listener, err := listen(port, flag)
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return portOf(listener), nil
}
