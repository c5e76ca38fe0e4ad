package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// pidsFile lists the processes of a demo that was kept.
const pidsFile = "pids"

// keep leaves everything running and says how to use and how to stop it.
func (d *demo) keep() error {
	var pids []string
	for _, p := range d.world.Running() {
		pids = append(pids, strconv.Itoa(p.Pid()))
	}
	if err := os.WriteFile(d.world.Path(pidsFile), []byte(strings.Join(pids, "\n")+"\n"), 0o600); err != nil {
		return errors.Join(fmt.Errorf("failed to write down what is running: %w", err), d.world.Close())
	}
	d.stage.say("Everything is left running. To look around:\n")
	d.stage.note("export PATH=%s:$PATH", d.world.Bin)
	d.stage.note("export KUBECONFIG=%s   # the hub", d.world.Path("hub", "admin.kubeconfig"))
	for _, region := range regions {
		d.stage.note("export KUBECONFIG=%s    # %s", d.children[region].Kubeconfig, region)
	}
	d.stage.say("\nThe logs are %s. To stop everything:\n", d.world.Path("*.log"))
	d.stage.note("%s", stopCommand(d.world.Dir))
	return nil
}

func stopCommand(dir string) string {
	return fmt.Sprintf("kill $(cat %s)", filepath.Join(dir, pidsFile))
}

// refuseRunning fails if the processes of an earlier demo still work in dir.
func refuseRunning(dir string) error {
	content, err := os.ReadFile(filepath.Join(dir, pidsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("failed to see whether an earlier demo still runs: %w", err)
	}
	for _, pid := range strings.Fields(string(content)) {
		// The number may belong to somebody else by now; our own name the directory.
		command, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		if err == nil && strings.Contains(string(command), dir) {
			return fmt.Errorf("an earlier demo still runs in %s; stop it with: %s", dir, stopCommand(dir))
		}
	}
	return nil
}
