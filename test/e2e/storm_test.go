package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var (
	stormSize = flag.Int("storm", 100, "how many workspaces TestStorm creates and deletes")
	// stormPeople is how many do so at a time.
	stormPeople = flag.Int("storm-people", 32, "how many create and delete at a time in TestStorm")
)

// TestStorm creates and deletes many workspaces at the same time, some of them
// before they are ready, some under a name that has just become free. In the end
// nothing may be left. make race-hub runs it against a hub under the race detector.
func TestStorm(t *testing.T) {
	t.Parallel()
	h := ownHub(t, "storm")
	var ids sync.Map
	work := make(chan int)
	var people sync.WaitGroup
	for range *stormPeople {
		people.Go(func() {
			for i := range work {
				if err := h.liveAndDie(limit(t), i, &ids); err != nil {
					t.Errorf("workspace %d: %v", i, err)
				}
			}
		})
	}
	for i := range *stormSize {
		work <- i
	}
	close(work)
	people.Wait()
	if err := again(limit(t), func() error {
		left := slices.DeleteFunc(etcdKeys(t, h.Dir), func(key string) bool { return !within(key, &ids) })
		if len(left) > 0 {
			return fmt.Errorf("%d keys are left: %s", len(left), strings.Join(left, " "))
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if output := must(h.Output())(t); strings.Contains(output, "DATA RACE") || strings.Contains(output, "panicked") {
		t.Errorf("the hub's log has a data race or a panic: %s", h.LogFile)
	}
}

// liveAndDie creates and deletes a workspace twice under one name. Every third is
// deleted as soon as it was asked for. It adds the IDs of both to ids.
func (h *hub) liveAndDie(ctx context.Context, i int, ids *sync.Map) error {
	workspaces := client.Workspaces(h.admin, root)
	name := fmt.Sprintf("storm-%d", i)
	for range 2 {
		made, err := workspaces.Create(ctx, &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if _, twice := ids.LoadOrStore(made.Spec.Cluster, nil); twice {
			return fmt.Errorf("the ID %s was given twice", made.Spec.Cluster)
		}
		if i%3 > 0 {
			err := again(ctx, func() error {
				found, err := workspaces.Get(ctx, name, metav1.GetOptions{})
				if err == nil && ready(found) != "" {
					err = errors.New(ready(found))
				}
				return err
			})
			if err != nil {
				return err
			}
			note := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "note"}}
			if _, err := h.in(root.Join(name)).CoreV1().ConfigMaps("default").Create(ctx, note, metav1.CreateOptions{}); err != nil {
				return err
			}
		}
		if err := workspaces.Delete(ctx, name, *metav1.NewPreconditionDeleteOptions(string(made.UID))); err != nil {
			return err
		}
		if err := again(ctx, func() error {
			if _, err := workspaces.Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				return fmt.Errorf("not gone yet: %w", errors.Join(err, errors.New("it is there")))
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// within reports whether a key has one of ids as a segment.
func within(key string, ids *sync.Map) bool {
	return slices.ContainsFunc(strings.Split(key, "/"), func(segment string) bool {
		_, found := ids.Load(segment)
		return found
	})
}

// TestDeletedWhileInUse deletes a workspace in which people write and watch, and
// whose objects run on a child. It goes, the child is cleared, and everybody is told.
func TestDeletedWhileInUse(t *testing.T) {
	t.Parallel()
	town := theTown(t)
	doomed := town.workspace(t, root, "doomed")
	id := town.id(t, doomed)
	town.place(t, doomed, "eu")
	town.send(t, doomed, "eu")
	town.deploy(t, doomed, deployment("doomed-shop", 1))
	town.awaitAvailable(t, doomed, "doomed-shop", 1)

	watching := must(town.in(doomed).AppsV1().Deployments("default").Watch(limit(t), metav1.ListOptions{}))(t)
	defer watching.Stop()
	ctx, stop := context.WithCancel(limit(t))
	defer stop()
	acknowledged := make(chan struct{})
	journals := town.journals(t, []logicalcluster.Path{doomed}, "doomed", acknowledged)
	var writing sync.WaitGroup
	for _, j := range journals {
		writing.Go(func() { j.write(ctx) })
	}
	for range 20 {
		<-acknowledged
	}
	go func() {
		for {
			select {
			case <-acknowledged:
			case <-ctx.Done():
				return
			}
		}
	}()
	if err := client.Workspaces(town.admin, root).Delete(limit(t), doomed.Base(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	writing.Wait() // they end when they are refused, which they are long before the limit
	await(t, client.Workspaces(town.admin, root), gone[*tenancyv1alpha1.Workspace](doomed.Base()))
	town.eu.awaitNone(t, "doomed-shop")
	town.eu.awaitNoNamespace(t, id)
	checkSawTheEnd(t, watching)
	if err := again(limit(t), func() error {
		for _, key := range etcdKeys(t, town.Dir) {
			if strings.Contains(key, "/"+id.String()+"/") {
				return fmt.Errorf("left behind: %s", key)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// checkSawTheEnd reads a watch to its end, which has to come, and not before the
// deletion of the object.
func checkSawTheEnd(t *testing.T, watching apiwatch.Interface) {
	t.Helper()
	ctx, deleted := limit(t), false
	for {
		select {
		case event, open := <-watching.ResultChan():
			if !open {
				if !deleted {
					t.Error("the watch ended without a deletion")
				}
				return
			}
			deleted = deleted || event.Type == apiwatch.Deleted
		case <-ctx.Done():
			t.Fatal("the watch does not end")
		}
	}
}
