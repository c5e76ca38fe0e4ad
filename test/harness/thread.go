package harness

import (
	"os/exec"
	"runtime"
	"sync"
)

var (
	starterOnce sync.Once
	starters    chan start
)

type start struct {
	cmd    *exec.Cmd
	result chan error
}

// startLocked starts cmd from a thread that never ends: the kernel kills
// children with a parent-death signal when the thread that forked them goes,
// not when the process does.
func startLocked(cmd *exec.Cmd) error {
	starterOnce.Do(func() {
		starters = make(chan start)
		go func() {
			runtime.LockOSThread()
			for s := range starters {
				s.result <- s.cmd.Start()
			}
		}()
	})
	s := start{cmd: cmd, result: make(chan error)}
	starters <- s
	return <-s.result
}
