package copy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// world is two sides in memory. What a side has and what was seen of it differ
// until it is looked at, as with a watch that lags.
type world struct {
	from, fromSeen map[Key]*Object
	to, toSeen     map[Key]*Object
	nextUID        int
	fail           map[string]error // by what is being written
	lingering      bool             // deletions on To take a while
	log            strings.Builder
}

func newWorld() *world {
	return &world{
		from: map[Key]*Object{}, fromSeen: map[Key]*Object{},
		to: map[Key]*Object{}, toSeen: map[Key]*Object{},
		fail: map[string]error{},
	}
}

func (w *world) say(format string, args ...any) { fmt.Fprintf(&w.log, "  "+format+"\n", args...) }

func (w *world) failure(what string) error {
	if err := w.fail[what]; err != nil {
		w.say("%s fails: %v", what, err)
		return err
	}
	return nil
}

func (w *world) uid() types.UID {
	w.nextUID++
	return types.UID(fmt.Sprintf("%d", w.nextUID))
}

// look lets the copier see what is there, on both sides.
func (w *world) look() {
	w.lookFrom()
	w.lookTo()
}

func (w *world) lookFrom() {
	w.fromSeen = map[Key]*Object{}
	for key, obj := range w.from {
		w.fromSeen[key] = obj.DeepCopy()
	}
}

func (w *world) lookTo() {
	w.toSeen = map[Key]*Object{}
	for key, obj := range w.to {
		if (worldRules{}).Mine(obj) {
			w.toSeen[key] = obj.DeepCopy()
		}
	}
}

// show prints both sides.
func (w *world) show() string {
	var out strings.Builder
	for _, s := range []struct {
		name    string
		objects map[Key]*Object
	}{{"from", w.from}, {"to", w.to}} {
		for _, key := range slices.SortedFunc(maps.Keys(s.objects), func(a, b Key) int { return strings.Compare(a.String(), b.String()) }) {
			fmt.Fprintf(&out, "%s %s: %s\n", s.name, key.Name, describe(s.objects[key]))
		}
	}
	if out.Len() == 0 {
		return "nothing\n"
	}
	return out.String()
}

func describe(obj *Object) string {
	var parts []string
	for _, field := range []string{"intent", "owner", "origin", "spec", "status"} {
		if value, ok := obj.Object[field].(string); ok {
			parts = append(parts, field+"="+value)
		}
	}
	if obj.GetDeletionTimestamp() != nil {
		parts = append(parts, "deleting")
	}
	return strings.Join(parts, " ")
}

func object(fields map[string]string) *Object {
	obj := &Object{Object: map[string]any{}}
	for name, value := range fields {
		obj.Object[name] = value
	}
	return obj
}

func field(obj *Object, name string) string {
	value, _ := obj.Object[name].(string)
	return value
}

// worldFrom is the From door of a world.
type worldFrom struct{ *world }

func (w worldFrom) Seen(key Key) (*Object, error) { return clone(w.fromSeen[key]), nil }

func (w worldFrom) WriteStatus(_ context.Context, obj *Object, status map[string]any) error {
	if err := w.failure("status"); err != nil {
		return err
	}
	key := Key{Name: obj.GetName()}
	if w.from[key] == nil || w.from[key].GetUID() != obj.GetUID() {
		return errors.New("it is another object by now")
	}
	w.from[key].Object["status"] = status["value"]
	w.say("from: status of %s is %s", obj.GetName(), status["value"])
	return nil
}

func (w worldFrom) Release(_ context.Context, obj *Object) error {
	if err := w.failure("release"); err != nil {
		return err
	}
	if w.to[Key{Name: obj.GetName()}] != nil && (worldRules{}).Mine(w.to[Key{Name: obj.GetName()}]) {
		panic("C2: released although there is a copy")
	}
	delete(w.from, Key{Name: obj.GetName()})
	w.say("from: %s released", obj.GetName())
	return nil
}

// worldTo is the To door of a world.
type worldTo struct{ *world }

func (w worldTo) Seen(key Key) (*Object, error) { return clone(w.toSeen[key]), nil }

func (w worldTo) Read(_ context.Context, key Key) (*Object, error) {
	if err := w.failure("read"); err != nil {
		return nil, err
	}
	w.say("to: asked for %s", key.Name)
	return clone(w.to[key]), nil
}

func (w worldTo) Apply(_ context.Context, key Key, want *Object) error {
	if err := w.failure("apply"); err != nil {
		return err
	}
	have := w.to[key]
	switch {
	case have == nil && want.GetUID() != "":
		return errors.New("conflict: the copy is gone")
	case have == nil:
		have = want.DeepCopy()
		have.SetUID(w.uid())
	case want.GetUID() != "" && want.GetUID() != have.GetUID():
		return errors.New("conflict: it is another copy by now")
	case !(worldRules{}).Mine(have):
		panic("C1: wrote over somebody else's object")
	}
	have.Object["spec"], have.Object["origin"] = want.Object["spec"], want.Object["origin"]
	w.to[key] = have
	w.say("to: applied %s: %s", key.Name, describe(have))
	return nil
}

func (w worldTo) Delete(_ context.Context, key Key, have *Object) error {
	if err := w.failure("delete"); err != nil {
		return err
	}
	there := w.to[key]
	switch {
	case there == nil || there.GetUID() != have.GetUID():
		w.say("to: %s was gone already", key.Name)
		return nil
	case !(worldRules{}).Mine(there):
		panic("C1: deleted somebody else's object")
	case w.lingering:
		there.SetDeletionTimestamp(new(metav1.Unix(1, 0)))
	default:
		delete(w.to, key)
	}
	w.say("to: deleted %s", key.Name)
	return nil
}

func clone(obj *Object) *Object {
	if obj == nil {
		return nil
	}
	return obj.DeepCopy()
}

// worldRules read everything from plain fields.
type worldRules struct{}

func (worldRules) Intent(obj *Object) Intent {
	return map[string]Intent{"keep": Keep, "remove": Remove}[field(obj, "intent")]
}

func (worldRules) Make(obj *Object) (*Object, error) {
	switch field(obj, "spec") {
	case "bad":
		return nil, errors.New("it makes no sense")
	case "private":
		return nil, nil
	}
	want := object(map[string]string{"owner": "us", "spec": field(obj, "spec"), "origin": string(obj.GetUID())})
	want.SetName(obj.GetName())
	return want, nil
}

func (worldRules) Mine(have *Object) bool { return field(have, "owner") == "us" }

func (r worldRules) Compare(want, have *Object) Match {
	switch {
	case !r.Mine(have):
		return Foreign
	case field(have, "origin") != field(want, "origin"):
		return Stale
	case field(have, "spec") != field(want, "spec"):
		return Differs
	default:
		return Equal
	}
}

func (worldRules) Status(obj, have *Object) (map[string]any, bool) {
	status := field(have, "status")
	return map[string]any{"value": status}, status != "" && status != field(obj, "status")
}
