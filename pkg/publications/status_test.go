package publications

import (
	"testing"

	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
)

// That nobody is left to bind says nothing while nobody can tell who that is.
func TestComplete(t *testing.T) {
	gone := trouble{reason: publicationv1alpha1.PublicationSubtreeReplacedReason, message: "it is another one"}
	for name, tc := range map[string]struct {
		matched, bound  int64
		export, subtree trouble
		ending          bool
		want            string
	}{
		"all":               {3, 3, trouble{}, trouble{}, false, "True "},
		"none to bind":      {0, 0, trouble{}, trouble{}, false, "True "},
		"some":              {3, 2, trouble{}, trouble{}, false, "False Pending"},
		"no subtree":        {0, 0, trouble{}, gone, false, "False SubtreeReplaced"},
		"no export":         {3, 3, trouble{reason: "APIExportNotFound"}, trouble{}, false, "False APIExportNotFound"},
		"going, no subtree": {0, 0, trouble{}, gone, true, "False Withdrawing"},
	} {
		t.Run(name, func(t *testing.T) {
			p := publication("a", "root")
			p.Ending = tc.ending
			status := publicationv1alpha1.APIPublicationStatus{Matched: tc.matched, Bound: tc.bound, Pending: tc.matched - tc.bound}
			c := complete(tally{Publication: p}, status,
				valid(publicationv1alpha1.PublicationExportValid, tc.export), valid(publicationv1alpha1.PublicationSubtreeValid, tc.subtree))
			if got := string(c.Status) + " " + c.Reason; got != tc.want || c.Type != publicationv1alpha1.PublicationComplete {
				t.Errorf("%s: %s, want %s", c.Type, got, tc.want)
			}
		})
	}
}
