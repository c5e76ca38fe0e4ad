package v1alpha1

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Object is an API object that carries conditions in its status.
//
// +kubebuilder:object:generate=false
type Object interface {
	GetConditions() Conditions
	SetConditions(Conditions)
}

// True is a condition that holds.
func True(t ConditionType) Condition {
	return Condition{Type: t, Status: corev1.ConditionTrue}
}

// False is a condition that does not hold. The reason is one CamelCase word,
// the message is formatted like fmt.Sprintf when there are arguments.
func False(t ConditionType, severity ConditionSeverity, reason, message string, args ...any) Condition {
	return Condition{Type: t, Status: corev1.ConditionFalse, Severity: severity, Reason: reason, Message: sprintf(message, args)}
}

// Unknown is a condition that could not be judged.
func Unknown(t ConditionType, reason, message string, args ...any) Condition {
	return Condition{Type: t, Status: corev1.ConditionUnknown, Reason: reason, Message: sprintf(message, args)}
}

func sprintf(format string, args []any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}

// Get returns the condition of the given type, or nil. The result points into
// cs and must not be changed.
func Get(cs Conditions, t ConditionType) *Condition {
	for i := range cs {
		if cs[i].Type == t {
			return &cs[i]
		}
	}
	return nil
}

// IsTrue reports whether the condition of the given type is present and True.
func IsTrue(cs Conditions, t ConditionType) bool { return has(cs, t, corev1.ConditionTrue) }

// IsFalse reports whether the condition of the given type is present and False.
func IsFalse(cs Conditions, t ConditionType) bool { return has(cs, t, corev1.ConditionFalse) }

func has(cs Conditions, t ConditionType, status corev1.ConditionStatus) bool {
	c := Get(cs, t)
	return c != nil && c.Status == status
}

// Set returns cs with the given conditions put in place of those of the same
// type. cs itself is left alone. now becomes the lastTransitionTime of each
// condition whose status is new; a condition whose status stays keeps its time.
// The time in the given conditions is ignored.
func Set(cs Conditions, now time.Time, news ...Condition) Conditions {
	out := slices.Clone(cs)
	for _, c := range news {
		// The wire has whole seconds; storing more would make a stored list
		// differ from the same list read back.
		c.LastTransitionTime = metav1.NewTime(now.Truncate(time.Second))
		i := slices.IndexFunc(out, func(old Condition) bool { return old.Type == c.Type })
		if i < 0 {
			out = append(out, c)
			continue
		}
		if out[i].Status == c.Status {
			c.LastTransitionTime = out[i].LastTransitionTime
		}
		out[i] = c
	}
	slices.SortStableFunc(out, order)
	return out
}

// Says reports whether cs has all the given conditions, whatever their times.
func Says(cs Conditions, wanted ...Condition) bool {
	for _, c := range wanted {
		old := Get(cs, c.Type)
		if old == nil {
			return false
		}
		c.LastTransitionTime = old.LastTransitionTime
		if *old != c {
			return false
		}
	}
	return true
}

// Remove returns cs without the conditions of the given types.
func Remove(cs Conditions, types ...ConditionType) Conditions {
	return slices.DeleteFunc(slices.Clone(cs), func(c Condition) bool { return slices.Contains(types, c.Type) })
}

// order puts Ready first and the rest by type.
func order(a, b Condition) int {
	switch {
	case a.Type == b.Type:
		return 0
	case a.Type == ReadyCondition:
		return -1
	case b.Type == ReadyCondition:
		return 1
	}
	return strings.Compare(string(a.Type), string(b.Type))
}

// Summary returns the condition of type t that sums up the conditions of the
// given types: the worst of them decides. False is worse than Unknown, which is
// worse than absent, and among False ones Error is worse than Warning and
// Warning worse than Info. The order of types breaks ties. Reason and message
// are taken over from the condition that decided.
func Summary(cs Conditions, t ConditionType, types ...ConditionType) Condition {
	worst, badness := True(t), 0
	for _, other := range types {
		c, b := judge(cs, other)
		if b > badness {
			worst, badness = c, b
		}
	}
	worst.Type = t
	return worst
}

func judge(cs Conditions, t ConditionType) (Condition, int) {
	c := Get(cs, t)
	switch {
	case c == nil:
		return Unknown(t, "NotReported", "%s has not been reported yet", t), 1
	case c.Status == corev1.ConditionTrue:
		return *c, 0
	case c.Status == corev1.ConditionUnknown:
		return *c, 2
	case c.Severity == ConditionSeverityInfo:
		return *c, 3
	case c.Severity == ConditionSeverityWarning:
		return *c, 4
	}
	return *c, 5
}
