package v1alpha1

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	early = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	late  = early.Add(time.Hour)
)

func at(now time.Time, c Condition) Condition {
	c.LastTransitionTime = metav1.NewTime(now)
	return c
}

func TestSet(t *testing.T) {
	cases := map[string]struct {
		before Conditions
		set    []Condition
		want   Conditions
	}{
		"first condition of an object": {
			set:  []Condition{True("A")},
			want: Conditions{at(late, True("A"))},
		},
		"Ready comes first, the rest by type": {
			before: Conditions{at(early, True("B"))},
			set:    []Condition{True("C"), True(ReadyCondition), True("A")},
			want: Conditions{
				at(late, True(ReadyCondition)), at(late, True("A")), at(early, True("B")), at(late, True("C")),
			},
		},
		"the same fact again keeps its time": {
			before: Conditions{at(early, True("A"))},
			set:    []Condition{True("A")},
			want:   Conditions{at(early, True("A"))},
		},
		"a new message is not a transition": {
			before: Conditions{at(early, False("A", ConditionSeverityInfo, "Waiting", "1 of 3"))},
			set:    []Condition{False("A", ConditionSeverityInfo, "Waiting", "%d of %d", 2, 3)},
			want:   Conditions{at(early, False("A", ConditionSeverityInfo, "Waiting", "2 of 3"))},
		},
		"a new status is a transition": {
			before: Conditions{at(early, Unknown("A", "NotSeen", "not seen yet"))},
			set:    []Condition{True("A")},
			want:   Conditions{at(late, True("A"))},
		},
		"a time in the argument is ignored": {
			set:  []Condition{at(early, True("A"))},
			want: Conditions{at(late, True("A"))},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			untouched := append(Conditions{}, tc.before...)
			// Fractions of a second would not survive the wire.
			got := Set(tc.before, late.Add(300*time.Millisecond), tc.set...)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Set (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(untouched, append(Conditions{}, tc.before...)); diff != "" {
				t.Errorf("Set changed its argument (-before +after):\n%s", diff)
			}
			again := Set(got, late.Add(time.Hour), tc.set...)
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("Set twice (-once +twice):\n%s", diff)
			}
		})
	}
}

func TestSays(t *testing.T) {
	cs := Set(nil, time.Unix(1, 0), True("A"), False("B", ConditionSeverityInfo, "Reason", "message"))
	for name, c := range map[string]struct {
		wanted []Condition
		want   bool
	}{
		"nothing":         {nil, true},
		"all":             {[]Condition{False("B", ConditionSeverityInfo, "Reason", "message"), True("A")}, true},
		"another status":  {[]Condition{False("A", ConditionSeverityInfo, "Reason", "message")}, false},
		"another message": {[]Condition{True("A"), False("B", ConditionSeverityInfo, "Reason", "other")}, false},
		"another type":    {[]Condition{True("C")}, false},
	} {
		if got := Says(cs, c.wanted...); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestGetAndRemove(t *testing.T) {
	cs := Set(nil, early, True("A"), False("B", ConditionSeverityError, "Bad", "100%"), Unknown("C", "Unseen", ""))
	if !IsTrue(cs, "A") || IsTrue(cs, "B") || IsTrue(cs, "C") || IsTrue(cs, "D") {
		t.Errorf("IsTrue is wrong for %v", cs)
	}
	if IsFalse(cs, "A") || !IsFalse(cs, "B") || IsFalse(cs, "C") || IsFalse(cs, "D") {
		t.Errorf("IsFalse is wrong for %v", cs)
	}
	if c := Get(cs, "B"); c == nil || c.Message != "100%" {
		t.Errorf("Get(B) = %v; a message without arguments must stay as it is", c)
	}
	if c := Get(cs, "D"); c != nil {
		t.Errorf("Get(D) = %v, want nil", c)
	}
	rest := Remove(cs, "A", "C", "D")
	if diff := cmp.Diff(Conditions{*Get(cs, "B")}, rest); diff != "" {
		t.Errorf("Remove (-want +got):\n%s", diff)
	}
}

func TestSummary(t *testing.T) {
	cs := Set(nil, early,
		True("Good"),
		False("Info", ConditionSeverityInfo, "Waiting", "wait"),
		False("Warning", ConditionSeverityWarning, "Slow", "slow"),
		False("Error", ConditionSeverityError, "Broken", "broken"),
		Unknown("Unknown", "Unseen", "unseen"),
	)
	cases := map[string]struct {
		types  []ConditionType
		status corev1.ConditionStatus
		reason string
	}{
		"nothing to sum up":          {nil, corev1.ConditionTrue, ""},
		"all good":                   {[]ConditionType{"Good"}, corev1.ConditionTrue, ""},
		"one is missing":             {[]ConditionType{"Good", "Absent"}, corev1.ConditionUnknown, "NotReported"},
		"unknown is worse than none": {[]ConditionType{"Absent", "Unknown"}, corev1.ConditionUnknown, "Unseen"},
		"false is worse":             {[]ConditionType{"Unknown", "Info"}, corev1.ConditionFalse, "Waiting"},
		"error is worst":             {[]ConditionType{"Error", "Warning", "Info"}, corev1.ConditionFalse, "Broken"},
		"warning is worse than info": {[]ConditionType{"Info", "Warning"}, corev1.ConditionFalse, "Slow"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := Summary(cs, ReadyCondition, tc.types...)
			if got.Type != ReadyCondition || got.Status != tc.status || got.Reason != tc.reason {
				t.Errorf("Summary = %+v, want %s/%s", got, tc.status, tc.reason)
			}
		})
	}
}
