package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	_ "time/tzdata" // CronJobs name time zones, and a bare machine has no database of them.

	_ "k8s.io/client-go/plugin/pkg/client/auth"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

const usage = `childk8s: Kubernetes in one file, for child clusters in tests and demos

  childk8s cluster --dir DIR --name NAME [--port PORT]    run one child cluster until SIGTERM
  childk8s clusters --root DIR [--base-port PORT] NAME... run several of them until Ctrl-C
  childk8s all DIR PORT                                   run a control plane without nodes

  childk8s etcd|kube-apiserver|kube-controller-manager|kube-scheduler|kubelet|kubectl|kwok ...
                                                          run that program, unmodified
`

// exitUsage is the status for a command line that makes no sense, as flag parsers use it.
const exitUsage = 2

func main() {
	name, ok := pieceName(os.Args)
	if !ok {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(exitUsage)
	}
	if run := ownCommands[name]; run != nil {
		os.Exit(run(os.Args[1:]))
	}
	upstream[name]()
}

// pieceName finds which command was asked for, by the name of the file or by the first argument. In the
// second case it takes that argument away, so that the command sees only its own.
func pieceName(args []string) (string, bool) {
	if name := strings.TrimSuffix(filepath.Base(args[0]), ".exe"); known(name) {
		return name, true
	}
	if len(args) < 2 || !known(args[1]) {
		return "", false
	}
	name := args[1]
	os.Args = append([]string{name}, args[2:]...)
	return name, true
}

func known(name string) bool {
	return upstream[name] != nil || ownCommands[name] != nil
}
