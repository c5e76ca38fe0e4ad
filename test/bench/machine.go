package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/atriumhub/atrium/test/harness"
)

const (
	// ticksPerSecond is the unit of CPU times in /proc, on all of Linux.
	ticksPerSecond = 100
	// muchLoad and muchElse are from where on other work makes figures doubtful:
	// the load average, in shares of the cores, and what others used of the
	// machine while measuring.
	muchLoad = 0.5
	muchElse = 0.15
)

// machine is what is measured on.
type machine struct {
	cores      int
	memory     int64
	kernel     string
	filesystem string
	// sync is how long a small write to disk takes.
	sync durations
	load float64
}

// examine reads what is known of this machine; what cannot be read is left out.
func examine(dir string) machine {
	m := machine{cores: runtime.NumCPU(), filesystem: filesystem(dir), sync: timeSync(dir)}
	if content, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.kernel = strings.TrimSpace(string(content))
	}
	scan("/proc/loadavg", "%f", &m.load)
	scan("/proc/meminfo", "MemTotal: %d", &m.memory)
	return m
}

func scan(file, format string, value any) {
	if content, err := os.ReadFile(file); err == nil {
		_, _ = fmt.Sscanf(string(content), format, value)
	}
}

// String is a line with the facts.
func (m machine) String() string {
	return fmt.Sprintf("%d cores, %.0f GB, Linux %s, %s; data on %s, fsync of 4 KB in %s (p50 / p99); load average %.1f at the start.",
		m.cores, float64(m.memory)*1024/1e9, m.kernel, runtime.Version(), m.filesystem, m.sync, m.load)
}

func (m machine) warning() string {
	if m.load <= muchLoad*float64(m.cores) {
		return ""
	}
	return fmt.Sprintf("WARNING: the load average is %.1f on %d cores: something else is running, and the figures are worse than they should be.", m.load, m.cores)
}

// clock is a moment: the time, and what the cores had worked until then.
type clock struct {
	now time.Time
	// busy is by all processes, ours by this one and those it started.
	busy, ours time.Duration
}

// readClock reads the clock. running are our processes that have not ended; of
// those that have, the kernel knows.
func readClock(running []*harness.Process) clock {
	c := clock{now: time.Now(), busy: busyTime(), ours: ownTime(syscall.RUSAGE_SELF) + ownTime(syscall.RUSAGE_CHILDREN)}
	for _, p := range running {
		c.ours += processTime(p.Pid())
	}
	return c
}

// usage is who used the cores for a while, in shares of all of them.
type usage struct {
	took         time.Duration
	ours, others float64
}

// since is the usage from an earlier moment on.
func (c clock) since(earlier clock) usage {
	took := c.now.Sub(earlier.now)
	ours, busy := c.ours-earlier.ours, c.busy-earlier.busy
	all := float64(took) * float64(runtime.NumCPU())
	return usage{took: took, ours: float64(ours) / all, others: max(0, float64(busy-ours)/all)}
}

// String is a line for people.
func (u usage) String() string {
	return fmt.Sprintf("It took %.0f s. The benchmark and what it started used %.0f %% of the cores, others %.0f %%.",
		u.took.Seconds(), u.ours*100, u.others*100)
}

func (u usage) warning() string {
	if u.others <= muchElse {
		return ""
	}
	return "WARNING: others used much of the cores meanwhile: do not compare these figures with those of a quiet machine."
}

// busyTime is the time that all cores together have worked since boot.
func busyTime() time.Duration {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	var user, nice, system, idle, wait, irq, softirq, steal int64
	_, _ = fmt.Sscanf(string(content), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &softirq, &steal)
	return ticks(user + nice + system + irq + softirq + steal)
}

func ticks(n int64) time.Duration { return time.Duration(n) * time.Second / ticksPerSecond }

func ownTime(who int) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(who, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// processTime is what a running process has used.
func processTime(pid int) time.Duration {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(string(content[strings.LastIndex(string(content), ")")+1:]))
	const userField, systemField = 11, 12
	if len(fields) <= systemField {
		return 0
	}
	var user, system int64
	_, _ = fmt.Sscan(fields[userField], &user)
	_, _ = fmt.Sscan(fields[systemField], &system)
	return ticks(user + system)
}

// timeSync appends blocks to a file, each written to disk, as etcd does. It
// returns nothing if that does not work.
func timeSync(dir string) durations {
	const writes = 50
	file, err := os.CreateTemp(dir, "sync-")
	if err != nil {
		return nil
	}
	defer os.Remove(file.Name())
	defer file.Close()
	var took durations
	block := make([]byte, 4096)
	for range writes {
		began := time.Now()
		if _, err := file.Write(block); err != nil {
			return nil
		}
		if err := syscall.Fdatasync(int(file.Fd())); err != nil {
			return nil
		}
		took = append(took, time.Since(began))
	}
	return took
}

// filesystem is the type of the file system that a directory is on.
func filesystem(dir string) string {
	content, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "an unknown file system"
	}
	return filesystemOf(string(content), dir)
}

// filesystemOf finds the last mount with the longest directory above dir.
func filesystemOf(mounts, dir string) string {
	found, longest := "an unknown file system", -1
	for _, mount := range strings.Split(mounts, "\n") {
		fields := strings.Fields(mount)
		if len(fields) < 3 || len(fields[1]) < longest {
			continue
		}
		if above := strings.TrimSuffix(fields[1], "/") + "/"; strings.HasPrefix(dir+"/", above) {
			found, longest = fields[2], len(fields[1])
		}
	}
	return found
}
