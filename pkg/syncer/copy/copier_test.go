package copy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestTranscripts runs the stories in testdata. Commands:
//
//	object NAME intent=… spec=…   puts an object on From; a new one gets a new UID
//	drop NAME                     takes it away, whatever it asks for
//	copy NAME owner=… spec=… …    puts or changes something on To
//	lose NAME                     takes it away from To
//	fail WHAT / mend WHAT         makes status, release, read, apply, delete fail
//	linger on|off                 whether deletions on To take a while
//	look [from|to]                lets the copier see one side, or both
//	step NAME                     takes one step without looking
//	settle NAME                   looks and takes steps until nothing is left to do
//	show                          prints both sides
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld()
		copier := New(worldRules{}, worldFrom{w}, worldTo{w})
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.log.Reset()
			return run(t, w, copier, d)
		})
	})
}

func run(t *testing.T, w *world, copier *Copier, d *datadriven.TestData) string {
	name := ""
	if len(d.CmdArgs) > 0 {
		name = d.CmdArgs[0].Key
	}
	key := Key{Name: name}
	switch d.Cmd {
	case "object":
		put(w, w.from, key, d.CmdArgs[1:])
	case "drop":
		delete(w.from, key)
	case "copy":
		put(w, w.to, key, d.CmdArgs[1:])
	case "lose":
		delete(w.to, key)
	case "fail":
		w.fail[name] = errors.New("out of order")
	case "mend":
		delete(w.fail, name)
	case "linger":
		w.lingering = name == "on"
	case "look":
		lookAt(w, name)
	case "step":
		takeStep(w, copier, key)
	case "settle":
		settle(w, copier, key)
	case "show":
		return w.show()
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
	return w.log.String() + "ok\n"
}

func lookAt(w *world, side string) {
	if side != "to" {
		w.lookFrom()
	}
	if side != "from" {
		w.lookTo()
	}
}

func put(w *world, objects map[Key]*Object, key Key, args []datadriven.CmdArg) {
	obj := objects[key]
	if obj == nil {
		obj = object(nil)
		obj.SetName(key.Name)
		obj.SetUID(w.uid())
		objects[key] = obj
	}
	for _, arg := range args {
		obj.Object[arg.Key] = strings.Join(arg.Vals, ",")
	}
}

func takeStep(w *world, copier *Copier, key Key) (Step, error) {
	step, err := copier.Reconcile(context.Background(), key)
	if err != nil {
		w.say("=> %s: %v", step, err)
	} else {
		w.say("=> %s", step)
	}
	return step, err
}

// settle is what a loop does that is woken by every change of the sides.
func settle(w *world, copier *Copier, key Key) {
	for range 10 {
		w.look()
		if step, err := takeStep(w, copier, key); err != nil || step == Nothing || step == Waiting {
			return
		}
	}
	w.say("=> does not settle")
}

// TestRandom lets everything happen in any order and then expects both sides to
// agree. The seed is printed, so a failure can be repeated.
func TestRandom(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runRandom(t, seed) })
	}
}

func runRandom(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorld()
	copier := New(worldRules{}, worldFrom{w}, worldTo{w})
	key := Key{Name: "x"}
	for range 60 {
		disturb(w, key, random.IntN(13), fmt.Sprint(random.IntN(3)))
		if random.IntN(2) == 0 {
			takeStep(w, copier, key)
		}
	}
	clear(w.fail)
	w.lingering = false
	if have := w.to[key]; have != nil && have.GetDeletionTimestamp() != nil {
		delete(w.to, key)
	}
	settle(w, copier, key)
	obj, have := w.from[key], w.to[key]
	switch {
	case have != nil && field(have, "owner") == "them":
	case obj != nil && field(obj, "intent") == "keep":
		if have == nil || (worldRules{}).Compare(must((worldRules{}).Make(obj)), have) != Equal {
			t.Errorf("there is no right copy:\n%s%s", w.log.String(), w.show())
		}
	case have != nil:
		t.Errorf("something was left behind:\n%s%s", w.log.String(), w.show())
	}
}

func must(obj *Object, err error) *Object {
	if err != nil {
		panic(err)
	}
	return obj
}

// disturb does one thing that the world may do.
func disturb(w *world, key Key, what int, value string) {
	obj, have := w.from[key], w.to[key]
	switch {
	case what == 0 && obj == nil:
		w.from[key] = object(map[string]string{"intent": "keep", "spec": value})
		w.from[key].SetName(key.Name)
		w.from[key].SetUID(w.uid())
	case what == 1 && obj != nil:
		obj.Object["spec"] = value
	case what == 2 && obj != nil:
		obj.Object["intent"] = "remove"
	case what == 3 && obj != nil:
		delete(w.from, key)
	case what == 4 && have != nil:
		delete(w.to, key)
	case what == 5 && have != nil && have.GetDeletionTimestamp() == nil:
		have.Object["spec"] = "meddled"
	case what == 6 && have != nil:
		have.Object["status"] = value
	case what == 7 && have == nil && value == "0":
		w.to[key] = object(map[string]string{"owner": "them"})
		w.to[key].SetUID(w.uid())
	case what == 8 && have != nil && have.GetDeletionTimestamp() != nil:
		delete(w.to, key)
	case what == 9:
		w.lingering = !w.lingering
	case what == 10:
		name := []string{"apply", "delete", "release"}[len(value)%3]
		if w.fail[name] == nil {
			w.fail[name] = errors.New("out of order")
		} else {
			delete(w.fail, name)
		}
	default:
		w.look()
	}
}
