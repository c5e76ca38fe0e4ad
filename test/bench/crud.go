package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// crudRounds is how often each side has its turn.
const crudRounds = 5

// worker is a side of the comparison: clients that create, get, update and
// delete ConfigMaps.
type worker struct {
	objects    configMaps
	operations int
	took       time.Duration
	next       atomic.Int64
}

func newWorker(cluster kubernetes.Interface) *worker {
	return &worker{objects: cluster.CoreV1().ConfigMaps(namespace)}
}

func (w *worker) rate() float64 { return perSecond(w.operations, w.took) }

// measureCRUD compares a workspace of a hub with a plain kube-apiserver. Each
// has an etcd process of its own, of the same kind.
func measureCRUD(ctx context.Context, l *lab) error {
	l.reset()
	hubEtcd, err := l.startEtcd(ctx, "hub-etcd")
	if err != nil {
		return err
	}
	plainEtcd, err := l.startEtcd(ctx, "plain-etcd")
	if err != nil {
		return err
	}
	l.say.printf("starting a kube-apiserver and a hub, each with an etcd beside it")
	cluster, err := l.startPlain(ctx, plainEtcd)
	if err != nil {
		return err
	}
	h, err := l.startHub(ctx, "crud", "--etcd-servers", hubEtcd)
	if err != nil {
		return err
	}
	path, err := createAlone(ctx, h, "crud")
	if err != nil {
		return err
	}
	ours, plain := newWorker(h.admin.Kubernetes(path)), newWorker(cluster)
	if err := l.compete(ctx, ours, plain); err != nil {
		return err
	}
	l.reportCRUD(ours, plain)
	l.reset()
	return nil
}

// compete lets both work in turns, after a turn that does not count.
func (l *lab) compete(ctx context.Context, ours, plain *worker) error {
	turn := func(w *worker) func() error { return func() error { return w.work(ctx, l.options) } }
	if err := alternately(1, turn(ours), turn(plain)); err != nil {
		return err
	}
	for _, w := range []*worker{ours, plain} {
		w.operations, w.took = 0, 0
	}
	l.say.printf("working in both in turns, %d rounds", crudRounds)
	return alternately(crudRounds, turn(ours), turn(plain))
}

func (l *lab) reportCRUD(ours, plain *worker) {
	ratio := ours.rate() / plain.rate()
	l.table.add(row{
		what:     fmt.Sprintf("CRUD of ConfigMaps in one workspace / plain kube-apiserver, %d clients", l.options.clients),
		measured: fmt.Sprintf("%.2f× (%.0f/s / %.0f/s), an etcd process with fsync beside each", ratio, ours.rate(), plain.rate()), budget: "≥ 0.9×",
		verdict: atLeast(ratio, budgetThroughput, ""),
	})
}

// work is a round.
func (w *worker) work(ctx context.Context, o *options) error {
	var operations atomic.Int64
	began := time.Now()
	err := share(ctx, o.clients, 0, o.clients, func(ctx context.Context, _ int) error {
		for time.Since(began) < o.round {
			if err := w.cycle(ctx, objectName(int(w.next.Add(1)))); err != nil {
				return err
			}
			operations.Add(4)
		}
		return nil
	})
	w.operations += int(operations.Load())
	w.took += time.Since(began)
	return err
}

// cycle is the life of a ConfigMap, in four requests.
func (w *worker) cycle(ctx context.Context, name string) error {
	if _, err := w.objects.Create(ctx, configMap(name, 0), metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("failed to create: %w", err)
	}
	object, err := w.objects.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("failed to get: %w", err)
	}
	object.Data[stampKey] = "1"
	if _, err := w.objects.Update(ctx, object, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("failed to update: %w", err)
	}
	if err := w.objects.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("failed to delete: %w", err)
	}
	return nil
}
