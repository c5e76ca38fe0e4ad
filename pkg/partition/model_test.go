package partition

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/utils/ptr"

	"github.com/atriumhub/atrium/pkg/keyspace"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// P2 to P6 at once: many workspaces do random things at the same time, with
// the same names, and each must look exactly like a plain map.
//
// PARTITION_SEED replays a run, PARTITION_STEPS makes it longer.
func TestRandomAgainstMaps(t *testing.T) {
	seed := setting(t, "PARTITION_SEED", uint64(time.Now().UnixNano()))
	steps := setting(t, "PARTITION_STEPS", 150)
	t.Logf("PARTITION_SEED=%d PARTITION_STEPS=%d", seed, steps)
	for _, cached := range []bool{false, true} {
		t.Run(fmt.Sprintf("cached=%v", cached), func(t *testing.T) {
			h := newHub(t, hubOptions{cached: cached})
			models := make([]*model, 12)
			var running sync.WaitGroup
			for i := range models {
				models[i] = newModel(t, h, i, seed)
				running.Go(func() { models[i].run(steps) })
			}
			running.Wait()
			compareEverywhere(t, h, models)
		})
	}
}

func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// model is one workspace as it should be.
type model struct {
	t      *testing.T
	hub    *hub
	name   logicalcluster.Name
	random *rand.Rand
	ctx    context.Context // the workspace
	view   context.Context // what is labelled state=Sync in it

	objects map[string]*example.Pod // by key
	past    []moment
	watches []*expectation
	step    int
	failed  bool
}

// moment is the workspace as it was at a revision.
type moment struct {
	revision string
	objects  map[string]*example.Pod
}

// expectation is an open watch and what it has to say.
type expectation struct {
	watch    watch.Interface
	describe string
	sees     func(*example.Pod) bool
	events   []string
	got      chan string // everything the watch says, closed with it
}

func newModel(t *testing.T, h *hub, i int, seed uint64) *model {
	name := logicalcluster.Name(fmt.Sprintf("ws-%d", i))
	if i == 0 {
		name = logicalcluster.SystemAdmin
	}
	scope := keyspace.In(name)
	selector := labels.SelectorFromSet(labels.Set{"state": "Sync"})
	return &model{
		t: t, hub: h, name: name,
		random:  rand.New(rand.NewPCG(seed, uint64(i))),
		ctx:     keyspace.WithScope(t.Context(), scope),
		view:    keyspace.WithScope(t.Context(), scope.Selecting(selector)),
		objects: map[string]*example.Pod{},
	}
}

func (m *model) run(steps uint64) {
	actions := []func(){
		m.create, m.create, m.update, m.update, m.update, m.remove, m.get, m.get, m.list, m.listPages, m.listPast,
		m.updateThroughView, m.removeThroughView, m.openWatch, m.closeWatch,
	}
	for m.step = 0; m.step < int(steps) && !m.failed; m.step++ {
		actions[m.random.IntN(len(actions))]()
	}
	for len(m.watches) > 0 && !m.failed {
		m.closeWatch()
	}
}

// fail reports a difference; the first one per workspace is enough.
func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	if !m.failed {
		m.t.Errorf("%s, step %d: %s", m.name, m.step, fmt.Sprintf(format, args...))
	}
	m.failed = true
}

func (m *model) equal(what string, want, got any) {
	m.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		m.fail("%s: %s", what, diff)
	}
}

// pod picks one of twelve names, shared by all workspaces.
func (m *model) pod() *example.Pod {
	pod := newPod([]string{"a", "b"}[m.random.IntN(2)], fmt.Sprint(m.random.IntN(6)))
	m.mutate(pod)
	return pod
}

func (m *model) mutate(pod *example.Pod) {
	pod.Labels = map[string]string{"x": fmt.Sprint(m.random.IntN(3))}
	if m.random.IntN(2) == 0 {
		pod.Labels["state"] = []string{"Sync", "Paused"}[m.random.IntN(2)]
	}
	pod.Spec.NodeName = fmt.Sprintf("%s-%d", m.name, m.step)
	switch m.random.IntN(4) {
	case 0:
		pod.Annotations = nil
	case 1:
		pod.Annotations = map[string]string{logicalcluster.AnnotationKey: "ws-1"}
	}
}

func synced(pod *example.Pod) bool { return pod.Labels["state"] == "Sync" }

// store makes now what was written, and tells the watches.
func (m *model) store(key string, now *example.Pod, revision string) {
	before := m.objects[key]
	if now == nil {
		delete(m.objects, key)
	} else {
		m.objects[key] = now
		if stampOf(now) != m.name {
			m.fail("%s is stamped %q", key, stampOf(now))
		}
	}
	m.past = append(m.past, moment{revision, maps.Clone(m.objects)})
	for _, w := range m.watches {
		saw, sees := before != nil && w.sees(before), now != nil && w.sees(now)
		switch {
		case sees && !saw:
			w.events = append(w.events, "ADDED "+nameOfPod(now)+"@"+revision)
		case sees && saw:
			w.events = append(w.events, "MODIFIED "+nameOfPod(now)+"@"+revision)
		case saw:
			w.events = append(w.events, "DELETED "+nameOfPod(before)+"@"+revision)
		}
	}
}

func (m *model) create() {
	pod := m.pod()
	key, out := podKey(pod), &example.Pod{}
	err := m.hub.pods.Create(m.ctx, key, pod, out, 0)
	if m.objects[key] != nil {
		if !storage.IsExist(err) {
			m.fail("create of the existing %s: %v", key, err)
		}
		return
	}
	if err != nil {
		m.fail("create of %s: %v", key, err)
		return
	}
	m.store(key, out, out.ResourceVersion)
}

func (m *model) get() {
	key := podKey(m.pod())
	for _, view := range []bool{false, true} {
		ctx, want := m.ctx, m.objects[key]
		if view {
			ctx = m.view
			if want != nil && !synced(want) {
				want = nil
			}
		}
		out := &example.Pod{}
		err := m.hub.pods.Get(ctx, key, storage.GetOptions{}, out)
		if want == nil {
			if !storage.IsNotFound(err) {
				m.fail("get of %s, view %v: %v, %v", key, view, out, err)
			}
			continue
		}
		if err != nil {
			m.fail("get of %s, view %v: %v", key, view, err)
			continue
		}
		m.equal("get of "+key, want, out)
	}
}

// change writes a random change of key through ctx, whose holder sees only
// what sees says.
func (m *model) change(ctx context.Context, sees func(*example.Pod) bool) {
	key := podKey(m.pod())
	current := m.objects[key]
	visible := current != nil && sees(current)
	out := &example.Pod{}
	var preconditions *storage.Preconditions
	stale := m.random.IntN(5) == 0
	if stale {
		preconditions = &storage.Preconditions{ResourceVersion: ptr.To("1")}
	}
	var guess runtime.Object
	if current != nil && m.random.IntN(3) == 0 {
		guess = m.oldState(key)
	}
	err := m.hub.pods.GuaranteedUpdate(ctx, key, out, false, preconditions,
		func(obj runtime.Object, _ storage.ResponseMeta) (runtime.Object, *uint64, error) {
			pod := obj.(*example.Pod)
			m.mutate(pod)
			return pod, nil, nil
		}, guess)
	switch {
	case !visible:
		if !storage.IsNotFound(err) {
			m.fail("update of the invisible %s: %v", key, err)
		}
	case stale:
		if !storage.IsInvalidObj(err) {
			m.fail("update of %s with a stale version: %v", key, err)
		}
	case err != nil:
		m.fail("update of %s: %v", key, err)
	case out.ResourceVersion != current.ResourceVersion:
		m.store(key, out, out.ResourceVersion)
	}
}

// oldState returns some earlier state of an object, or nil.
func (m *model) oldState(key string) runtime.Object {
	old := m.past[m.random.IntN(len(m.past))].objects[key]
	if old == nil {
		return nil
	}
	return old.DeepCopy()
}

func (m *model) update()            { m.change(m.ctx, func(*example.Pod) bool { return true }) }
func (m *model) updateThroughView() { m.change(m.view, synced) }
func (m *model) remove()            { m.delete(m.ctx, func(*example.Pod) bool { return true }) }
func (m *model) removeThroughView() { m.delete(m.view, synced) }

func (m *model) delete(ctx context.Context, sees func(*example.Pod) bool) {
	key, out := podKey(m.pod()), &example.Pod{}
	current := m.objects[key]
	err := m.hub.pods.Delete(ctx, key, out, nil, storage.ValidateAllObjectFunc, nil, storage.DeleteOptions{})
	if current == nil || !sees(current) {
		if !storage.IsNotFound(err) {
			m.fail("delete of the invisible %s: %v", key, err)
		}
		return
	}
	if err != nil {
		m.fail("delete of %s: %v", key, err)
		return
	}
	m.store(key, nil, out.ResourceVersion)
}

// question is a random way to list or watch, and what it should show.
type question struct {
	ctx      context.Context
	key      string
	opts     storage.ListOptions
	sees     func(*example.Pod) bool
	describe string
}

func (m *model) ask() question {
	q := question{ctx: m.ctx, key: "/pods", opts: recursive(), describe: "all"}
	checks := []func(*example.Pod) bool{}
	if m.random.IntN(2) == 0 {
		q.ctx = m.view
		checks = append(checks, synced)
		q.describe += ", view"
	}
	if m.random.IntN(2) == 0 {
		value := fmt.Sprint(m.random.IntN(3))
		q.opts.Predicate.Label = labels.SelectorFromSet(labels.Set{"x": value})
		q.opts.Predicate.GetAttrs = podAttrs
		checks = append(checks, func(pod *example.Pod) bool { return pod.Labels["x"] == value })
		q.describe += ", x=" + value
	}
	if m.random.IntN(2) == 0 {
		q.key = "/pods/a"
		checks = append(checks, func(pod *example.Pod) bool { return pod.Namespace == "a" })
		q.describe += ", namespace a"
	}
	q.sees = func(pod *example.Pod) bool {
		return !slices.ContainsFunc(checks, func(check func(*example.Pod) bool) bool { return !check(pod) })
	}
	return q
}

// selected returns what q shows of objects, in the order of keys.
func selected(objects map[string]*example.Pod, q question) []example.Pod {
	out := []example.Pod{}
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		if q.sees(objects[key]) {
			out = append(out, *objects[key])
		}
	}
	return out
}

func (m *model) list() {
	q, list := m.ask(), &example.PodList{}
	if err := m.hub.pods.GetList(q.ctx, q.key, q.opts, list); err != nil {
		m.fail("list of %s: %v", q.describe, err)
		return
	}
	m.equal("list of "+q.describe, selected(m.objects, q), list.Items)
}

// listPages reads page by page while it goes on writing: the pages show one
// moment.
func (m *model) listPages() {
	q := m.ask()
	want := selected(m.objects, q)
	got := []example.Pod{}
	q.opts.Predicate.Limit = 1 + m.random.Int64N(4)
	for {
		page := &example.PodList{}
		if err := m.hub.pods.GetList(q.ctx, q.key, q.opts, page); err != nil {
			m.fail("page of %s: %v", q.describe, err)
			return
		}
		got = append(got, page.Items...)
		if q.opts.Predicate.Continue = page.Continue; page.Continue == "" {
			break
		}
		m.update()
	}
	m.equal("pages of "+q.describe, want, got)
}

// listPast reads the workspace as it once was.
func (m *model) listPast() {
	if len(m.past) == 0 {
		return
	}
	then := m.past[m.random.IntN(len(m.past))]
	q, list := m.ask(), &example.PodList{}
	q.opts.ResourceVersion = then.revision
	q.opts.ResourceVersionMatch = metav1.ResourceVersionMatchExact
	if err := m.hub.pods.GetList(q.ctx, q.key, q.opts, list); err != nil {
		if !apierrors.IsResourceExpired(err) {
			m.fail("list of %s at %s: %v", q.describe, then.revision, err)
		}
		return
	}
	m.equal("list of "+q.describe+" at "+then.revision, selected(then.objects, q), list.Items)
}

// openWatch watches from now, or from some earlier moment.
func (m *model) openWatch() {
	if len(m.watches) > 4 || len(m.past) == 0 {
		return
	}
	q := m.ask()
	now := len(m.past) - 1
	since := max(0, now-m.random.IntN(5))
	q.opts.ResourceVersion = m.past[since].revision
	w, err := m.hub.pods.Watch(q.ctx, q.key, q.opts)
	if err != nil {
		m.fail("watch of %s: %v", q.describe, err)
		return
	}
	e := &expectation{
		watch:    w,
		describe: q.describe + " since " + q.opts.ResourceVersion,
		sees:     q.sees,
		got:      make(chan string, 10_000),
	}
	go e.read()
	e.replay(m, since)
	m.watches = append(m.watches, e)
}

// replay expects what happened between an earlier moment and now.
func (e *expectation) replay(m *model, since int) {
	others, objects, past := m.watches, m.objects, m.past
	m.watches, m.objects, m.past = []*expectation{e}, maps.Clone(past[since].objects), nil
	for _, then := range past[since+1:] {
		for _, key := range slices.Sorted(maps.Keys(union(m.objects, then.objects))) {
			if m.objects[key] != then.objects[key] {
				m.store(key, then.objects[key], then.revision)
				break // one change per revision
			}
		}
	}
	m.watches, m.objects, m.past = others, objects, past
}

func union(a, b map[string]*example.Pod) map[string]*example.Pod {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// closeWatch reads what a watch had to say, and compares.
func (m *model) closeWatch() {
	if len(m.watches) == 0 {
		return
	}
	e := m.watches[0]
	m.watches = m.watches[1:]
	defer e.watch.Stop()
	var got []string
	for range e.events {
		select {
		case event, open := <-e.got:
			if !open {
				m.fail("watch of %s ended after %v, want %v", e.describe, got, e.events)
				return
			}
			got = append(got, event)
		case <-time.After(30 * time.Second):
			m.fail("watch of %s says nothing after %v, want %v", e.describe, got, e.events)
			return
		}
	}
	m.equal("watch of "+e.describe, e.events, got)
}

// read takes in what the watch says as it says it: a cache ends the watches of
// those who do not read.
func (e *expectation) read() {
	defer close(e.got)
	for event := range e.watch.ResultChan() {
		text := describe(event)
		if pod, ok := plainObject(event.Object).(*example.Pod); ok {
			text += "@" + pod.ResourceVersion
		}
		e.got <- text
	}
}

func plainObject(obj runtime.Object) runtime.Object {
	if shared, ok := obj.(runtime.CacheableObject); ok {
		return shared.GetObject()
	}
	return obj
}

// compareEverywhere checks the sum of all workspaces.
func compareEverywhere(t *testing.T, h *hub, models []*model) {
	want := []example.Pod{}
	slices.SortFunc(models, func(a, b *model) int { return strings.Compare(string(a.name), string(b.name)) })
	for _, m := range models {
		want = append(want, selected(m.objects, question{sees: func(*example.Pod) bool { return true }})...)
		counts, err := h.Counts(t.Context(), m.name)
		if err != nil || counts[pods] != int64(len(m.objects)) {
			t.Errorf("%s counts %v, %v, want %d", m.name, counts, err, len(m.objects))
		}
	}
	list := &example.PodList{}
	all := keyspace.WithScope(t.Context(), keyspace.Everywhere())
	if err := h.pods.GetList(all, "/pods", recursive(), list); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, list.Items); diff != "" {
		t.Error(diff)
	}
}
