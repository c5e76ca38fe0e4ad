package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/atriumhub/atrium/test/harness"
)

// atOnce is how many tests run at a time unless -parallel says otherwise: they
// wait for servers most of the time.
const atOnce = "6"

// world is where everything runs.
var world *harness.World

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	if err := raiseParallel(); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "atrium-e2e-")
	if err != nil {
		return 0, fmt.Errorf("failed to make a directory: %w", err)
	}
	if world, err = harness.NewWorld(dir); err != nil {
		return 0, err
	}
	code := m.Run()
	if err := world.Close(); err != nil {
		return 1, fmt.Errorf("what the tests shared did not stop well: %w", err)
	}
	if code != 0 {
		fmt.Fprintf(os.Stderr, "the logs are in %s\n", dir)
		return code, nil
	}
	return 0, os.RemoveAll(dir)
}

func raiseParallel() error {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return nil
	}
	return flag.Set("test.parallel", atOnce)
}

// The hub and the children that tests share. Each starts when the first test
// asks for it.
var (
	sharedHub = sync.OnceValues(func() (*hub, error) { return startHub(context.Background(), "hub") })
	sharedEU  = sync.OnceValues(func() (*cluster, error) { return startCluster(context.Background(), "eu", harness.ChildK8s) })
	sharedUS  = sync.OnceValues(func() (*cluster, error) { return startCluster(context.Background(), "us", harness.ChildK8s) })
)

// town is the shared hub with both clusters registered in root:compute, each
// with an agent, under region=eu and region=us.
type town struct {
	*hub
	eu, us *cluster
}

var sharedTown = sync.OnceValues(func() (*town, error) {
	var shared town
	var starting sync.WaitGroup
	var failures [3]error
	starting.Go(func() { shared.hub, failures[0] = sharedHub() })
	starting.Go(func() { shared.eu, failures[1] = sharedEU() })
	starting.Go(func() { shared.us, failures[2] = sharedUS() })
	starting.Wait()
	for _, err := range failures {
		if err != nil {
			return nil, err
		}
	}
	for name, child := range map[string]*cluster{"eu": shared.eu, "us": shared.us} {
		target, err := world.Register(context.Background(), shared.Hub, compute, name, "region="+name)
		if err != nil {
			return nil, err
		}
		if _, err := world.StartSyncer(context.Background(), target, child.Child); err != nil {
			return nil, err
		}
	}
	return &shared, nil
})

// theHub returns the shared hub.
func theHub(t *testing.T) *hub {
	t.Helper()
	return must(sharedHub())(t)
}

// theTown returns the shared hub and children.
func theTown(t *testing.T) *town {
	t.Helper()
	return must(sharedTown())(t)
}

// must turns a result into one that ends the test when it is an error.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
