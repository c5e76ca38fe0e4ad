package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
)

// ReservedMetadataChange says which reserved metadata differs between old and
// new, for example `label "state.workload.kcp.io/abc"`, or "" when none does.
// old is nil on create, new is never nil.
//
// Reserved is what decides on whose cluster an object runs and when it may go:
// state labels, syncer finalizers, requests to leave, and every label or
// annotation of a domain below kcp.io with the word "internal" in it. Whoever
// could write them could put work on a cluster nobody gave him. Only the hub and
// its agents may; call RestoreReserved first for everybody else, so that a
// client which merely leaves them out is not refused.
func ReservedMetadataChange(old, new metav1.Object) string {
	var was metav1.Object = &metav1.ObjectMeta{}
	if old != nil {
		was = old
	}
	if key := differs(was.GetLabels(), new.GetLabels()); key != "" {
		return fmt.Sprintf("label %q", key)
	}
	if key := differs(was.GetAnnotations(), new.GetAnnotations()); key != "" {
		return fmt.Sprintf("annotation %q", key)
	}
	before, after := finalizerSet(was), finalizerSet(new)
	if key := differs(before, after); key != "" {
		return fmt.Sprintf("finalizer %q", key)
	}
	return ""
}

// RestoreReserved puts back into new what it leaves out of old's reserved
// metadata, and reports whether there was any. A client that replaces an object
// with a manifest of its own knows nothing of these keys and does not mean to
// remove them.
func RestoreReserved(old, new metav1.Object) bool {
	labels, a := restored(old.GetLabels(), new.GetLabels())
	annotations, b := restored(old.GetAnnotations(), new.GetAnnotations())
	finalizers, c := new.GetFinalizers(), false
	for _, finalizer := range old.GetFinalizers() {
		if reservedFinalizer(finalizer) && !slices.Contains(finalizers, finalizer) {
			finalizers, c = append(slices.Clone(finalizers), finalizer), true
		}
	}
	if a {
		new.SetLabels(labels)
	}
	if b {
		new.SetAnnotations(annotations)
	}
	if c {
		new.SetFinalizers(finalizers)
	}
	return a || b || c
}

// StripReserved takes reserved metadata away from an object that is about to be
// created, and returns what it took, in order. Such objects are copies: of an
// exported one, or made by a client that hands on the labels of another object.
// Where they belong is for the hub to decide, again.
func StripReserved(new metav1.Object) []string {
	var taken []string
	labels, annotations := maps.Clone(new.GetLabels()), maps.Clone(new.GetAnnotations())
	for _, m := range []map[string]string{labels, annotations} {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if Reserved(key) {
				delete(m, key)
				taken = append(taken, key)
			}
		}
	}
	finalizers := slices.DeleteFunc(slices.Clone(new.GetFinalizers()), func(finalizer string) bool {
		reserved := reservedFinalizer(finalizer)
		if reserved {
			taken = append(taken, finalizer)
		}
		return reserved
	})
	if len(taken) > 0 {
		new.SetLabels(labels)
		new.SetAnnotations(annotations)
		new.SetFinalizers(finalizers)
	}
	return taken
}

// Reserved reports whether a label or annotation is written by the hub and its
// agents only.
func Reserved(key string) bool {
	domain, _, ok := strings.Cut(key, "/")
	if !ok || !strings.HasSuffix(domain, ".kcp.io") {
		return false
	}
	return domain+"/" == workloadv1alpha1.StateLabelPrefix ||
		domain+"/" == workloadv1alpha1.StatusAnnotationPrefix ||
		slices.Contains(strings.Split(domain, "."), "internal")
}

func reservedFinalizer(finalizer string) bool {
	return strings.HasPrefix(finalizer, workloadv1alpha1.SyncerFinalizerPrefix)
}

func finalizerSet(o metav1.Object) map[string]string {
	set := map[string]string{}
	for _, finalizer := range o.GetFinalizers() {
		if reservedFinalizer(finalizer) {
			set[finalizer] = ""
		}
	}
	return set
}

// differs returns the first reserved key, in order, that is not the same in both
// maps. Keys of finalizer sets are reserved already.
func differs(old, new map[string]string) string {
	var found []string
	for _, m := range []map[string]string{old, new} {
		for key := range m {
			if !Reserved(key) && !reservedFinalizer(key) {
				continue
			}
			before, had := old[key]
			after, has := new[key]
			if had != has || before != after {
				found = append(found, key)
			}
		}
	}
	if len(found) == 0 {
		return ""
	}
	return slices.Min(found)
}

func restored(old, new map[string]string) (map[string]string, bool) {
	var out map[string]string
	for key, value := range old {
		if _, has := new[key]; has || !Reserved(key) {
			continue
		}
		if out == nil {
			out = map[string]string{}
			maps.Copy(out, new)
		}
		out[key] = value
	}
	return out, out != nil
}
