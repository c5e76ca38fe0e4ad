package child

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
)

// Options are the command line of one child.
type Options struct {
	// Dir is where everything of the child is kept; made if it is not there.
	Dir string
	// Name is the child's name, the region of its nodes, and the context in its kubeconfig.
	Name string
	// Port is the API server's on 127.0.0.1; 0 takes the one of an earlier start in Dir, or else a free one.
	Port int
	// KubeletPort is where kwok answers as the kubelet of all nodes; 0 as for Port.
	KubeletPort int
	// Nodes is the number of simulated nodes. With 0 there is no kwok, and pods stay Pending.
	Nodes int
	// AllowExec lets `kubectl exec` run commands on this machine as the user who started the child.
	AllowExec bool
	// OutliveParent lets the child run on when the process that started it ends.
	OutliveParent bool
}

const maxNodes = 1000

// namePattern is a DNS label that leaves room for "-node-1000" in a node's name.
var namePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?$`)

// ErrUsage marks an error that is the caller's command line, not the machine.
var ErrUsage = errors.New("usage")

func usagef(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUsage, fmt.Sprintf(format, args...))
}

// complete checks the options and makes Dir absolute.
func (o Options) complete() (Options, error) {
	switch {
	case o.Dir == "":
		return o, usagef("--dir is missing: name a directory for the cluster's data")
	case !namePattern.MatchString(o.Name):
		return o, usagef("--name %q is not a cluster name: use lower-case letters, digits and '-', at most 50", o.Name)
	case o.Nodes < 0 || o.Nodes > maxNodes:
		return o, usagef("--nodes %d is not between 0 and %d", o.Nodes, maxNodes)
	case !isPort(o.Port) || !isPort(o.KubeletPort):
		return o, usagef("a port is a number from 1 to 65535, or 0 for a free one")
	case o.Port != 0 && o.Port == o.KubeletPort:
		return o, usagef("--port and --kubelet-port are both %d: give them different ports", o.Port)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("failed to find directory %s: %w", o.Dir, err)
	}
	o.Dir = dir
	return o, nil
}

func isPort(port int) bool { return port >= 0 && port <= 65535 }
