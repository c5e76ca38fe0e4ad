package decide

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/atriumhub/atrium/sdk/apis/scheduling/v1alpha1"
	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
)

// Keys is a set of sync target keys.
type Keys map[string]bool

// Change is what has to change in the metadata of one object. A nil value
// removes the key.
type Change struct {
	Labels      map[string]*string
	Annotations map[string]*string
	// Finalizers replace those of the object when FinalizersChanged.
	Finalizers        []string
	FinalizersChanged bool
}

// Empty reports whether nothing has to change.
func (c Change) Empty() bool {
	return len(c.Labels) == 0 && len(c.Annotations) == 0 && !c.FinalizersChanged
}

// MergePatch is the change as a JSON merge patch (RFC 7386). It names the
// resource version that the decision was made on, because a list of finalizers
// can only be replaced as a whole: on a conflict, decide again.
func (c Change) MergePatch(resourceVersion string) ([]byte, error) {
	metadata := map[string]any{"resourceVersion": resourceVersion}
	if len(c.Labels) > 0 {
		metadata["labels"] = c.Labels
	}
	if len(c.Annotations) > 0 {
		metadata["annotations"] = c.Annotations
	}
	if c.FinalizersChanged {
		metadata["finalizers"] = c.Finalizers
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return nil, fmt.Errorf("failed to write a metadata patch: %w", err)
	}
	return patch, nil
}

// assigner collects the change of one object.
type assigner struct {
	object metav1.Object
	now    time.Time
	change Change
}

func newAssigner(o metav1.Object, now time.Time) *assigner {
	return &assigner{object: o, now: now, change: Change{Labels: map[string]*string{}, Annotations: map[string]*string{}, Finalizers: slices.Clone(o.GetFinalizers())}}
}

// Object decides on an object that sync targets get copies of. want are the
// targets it should be on, exists tells which targets there are.
//
// A target that is wanted gets the state label and the finalizer together. One
// that is no longer wanted is asked, by annotation, to clean up: its agent
// removes the copy and then label, annotation and finalizer. Where no finalizer
// was set there is no copy, and the label just goes. What a vanished target has
// left behind is removed, because nobody else will.
func Object(o metav1.Object, want Keys, exists func(key string) bool, now time.Time) Change {
	a := newAssigner(o, now)
	for _, key := range union(want, o) {
		switch {
		case !exists(key):
			a.forget(key)
		case o.GetDeletionTimestamp() != nil:
			a.keepVisible(key)
		case a.state(key) == workloadv1alpha1.ResourceStateUpsync:
			// The child owns the object; where it belongs is not ours to say.
		case want[key]:
			a.assign(key)
			a.addFinalizer(key)
		case a.heldBy(key):
			a.keepVisible(key)
			a.askToLeave(key)
		default:
			a.forget(key)
		}
	}
	return a.change
}

// Namespace decides on a namespace. It has no copy of its own and so no
// finalizer: busy tells whether objects in it still carry the label of a target,
// and the namespace keeps it as long.
func Namespace(o metav1.Object, want Keys, exists, busy func(key string) bool, now time.Time) Change {
	a := newAssigner(o, now)
	for _, key := range union(want, o) {
		switch {
		case !exists(key):
			a.forget(key)
		case o.GetDeletionTimestamp() != nil:
			// The namespace goes with the last object in it.
		case want[key]:
			a.assign(key)
		case busy(key):
			a.askToLeave(key)
		default:
			a.forget(key)
		}
	}
	if o.GetDeletionTimestamp() == nil {
		a.markPlaced(len(want) > 0)
	}
	return a.change
}

// union returns, sorted, the wanted keys and those that the metadata mentions.
func union(want Keys, o metav1.Object) []string {
	all := maps.Clone(want)
	if all == nil {
		all = Keys{}
	}
	for key := range Mentioned(o) {
		all[key] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// Mentioned returns the keys of all sync targets that the metadata of an object
// has anything about, whether it was assigned to them, is leaving them or is
// held by them.
func Mentioned(o metav1.Object) Keys {
	var keys Keys
	add := func(text, prefix string) {
		if key, ok := strings.CutPrefix(text, prefix); ok && key != "" {
			if keys == nil {
				keys = Keys{}
			}
			keys[key] = true
		}
	}
	for label := range o.GetLabels() {
		add(label, workloadv1alpha1.StateLabelPrefix)
	}
	for annotation := range o.GetAnnotations() {
		add(annotation, workloadv1alpha1.DeletionAnnotationPrefix)
	}
	for _, finalizer := range o.GetFinalizers() {
		add(finalizer, workloadv1alpha1.SyncerFinalizerPrefix)
	}
	return keys
}

func (a *assigner) state(key string) workloadv1alpha1.ResourceState {
	return workloadv1alpha1.ResourceState(a.object.GetLabels()[workloadv1alpha1.StateLabel(key)])
}

// heldBy reports whether a copy may exist, or somebody holds it by a soft
// finalizer.
func (a *assigner) heldBy(key string) bool {
	return slices.Contains(a.object.GetFinalizers(), workloadv1alpha1.SyncerFinalizer(key)) ||
		a.object.GetAnnotations()[workloadv1alpha1.SoftFinalizersAnnotation(key)] != ""
}

func (a *assigner) assign(key string) {
	a.setLabel(workloadv1alpha1.StateLabel(key), string(workloadv1alpha1.ResourceStateSync))
	a.removeAnnotation(workloadv1alpha1.DeletionAnnotation(key))
}

// keepVisible makes sure that an agent which has to let go of the object can see
// it: its view consists of what carries the label.
func (a *assigner) keepVisible(key string) {
	if a.heldBy(key) && a.state(key) != workloadv1alpha1.ResourceStateUpsync {
		a.setLabel(workloadv1alpha1.StateLabel(key), string(workloadv1alpha1.ResourceStateSync))
	}
}

func (a *assigner) askToLeave(key string) {
	annotation := workloadv1alpha1.DeletionAnnotation(key)
	if _, asked := a.object.GetAnnotations()[annotation]; !asked {
		value := stamp(a.now)
		a.change.Annotations[annotation] = &value
	}
}

func (a *assigner) forget(key string) {
	if _, ok := a.object.GetLabels()[workloadv1alpha1.StateLabel(key)]; ok {
		a.change.Labels[workloadv1alpha1.StateLabel(key)] = nil
	}
	for _, name := range workloadv1alpha1.OwnAnnotations(key) {
		a.removeAnnotation(name)
	}
	finalizer := workloadv1alpha1.SyncerFinalizer(key)
	if i := slices.Index(a.change.Finalizers, finalizer); i >= 0 {
		a.change.Finalizers = slices.Delete(a.change.Finalizers, i, i+1)
		a.change.FinalizersChanged = true
	}
}

func (a *assigner) addFinalizer(key string) {
	finalizer := workloadv1alpha1.SyncerFinalizer(key)
	if slices.Contains(a.change.Finalizers, finalizer) {
		return
	}
	a.change.Finalizers = append(a.change.Finalizers, finalizer)
	a.change.FinalizersChanged = true
}

func (a *assigner) markPlaced(placed bool) {
	annotation := schedulingv1alpha1.PlacementAnnotationKey
	if !placed {
		a.removeAnnotation(annotation)
		return
	}
	if _, ok := a.object.GetAnnotations()[annotation]; !ok {
		empty := ""
		a.change.Annotations[annotation] = &empty
	}
}

func (a *assigner) setLabel(label, value string) {
	if old, ok := a.object.GetLabels()[label]; !ok || old != value {
		a.change.Labels[label] = &value
	}
}

func (a *assigner) removeAnnotation(annotation string) {
	if _, ok := a.object.GetAnnotations()[annotation]; ok {
		a.change.Annotations[annotation] = nil
	}
}
