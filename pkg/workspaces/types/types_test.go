package types

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/pkg/informers"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func kindOf(edit ...func(*tenancyv1alpha1.WorkspaceType)) *tenancyv1alpha1.WorkspaceType {
	kind := &tenancyv1alpha1.WorkspaceType{ObjectMeta: metav1.ObjectMeta{Name: "lab", Annotations: map[string]string{logicalcluster.AnnotationKey: "o1"}}}
	for _, e := range edit {
		e(kind)
	}
	return kind
}

func TestStatus(t *testing.T) {
	type told struct {
		Views, Conditions []string
	}
	for name, tc := range map[string]struct {
		kind    *tenancyv1alpha1.WorkspaceType
		trouble error
		want    told
	}{
		"plain": {kindOf(), nil, told{nil, []string{"Ready=True()", "VirtualWorkspaceURLsReady=True()", "WorkspaceTypeExtensionsResolved=True()"}}},
		"with both": {kindOf(func(k *tenancyv1alpha1.WorkspaceType) { k.Spec.Initializer, k.Spec.Terminator = true, true }), nil, told{
			[]string{"initializing https://hub/services/initializingworkspaces/o1:lab", "terminating https://hub/services/terminatingworkspaces/o1:lab"},
			[]string{"Ready=True()", "VirtualWorkspaceURLsReady=True()", "WorkspaceTypeExtensionsResolved=True()"},
		}},
		"an extension is missing": {kindOf(), &prepare.Unresolved{Missing: []tenancyv1alpha1.WorkspaceTypeReference{{Path: "root:x", Name: "y"}}}, told{nil, []string{
			"Ready=False(UnknownWorkspaceType)", "VirtualWorkspaceURLsReady=True()", "WorkspaceTypeExtensionsResolved=False(UnknownWorkspaceType)",
		}}},
		"a circle": {kindOf(), &prepare.Unresolved{Circles: [][]tenancyv1alpha1.WorkspaceTypeReference{{}}}, told{nil, []string{
			"Ready=False(ExtensionCircle)", "VirtualWorkspaceURLsReady=True()", "WorkspaceTypeExtensionsResolved=False(ExtensionCircle)",
		}}},
		"too many": {kindOf(), &prepare.Unresolved{TooMany: true}, told{nil, []string{
			"Ready=False(TooManyExtensions)", "VirtualWorkspaceURLsReady=True()", "WorkspaceTypeExtensionsResolved=False(TooManyExtensions)",
		}}},
		"no initializer any more": {kindOf(func(k *tenancyv1alpha1.WorkspaceType) {
			k.Status.VirtualWorkspaces = []tenancyv1alpha1.VirtualWorkspace{{URL: "https://old"}}
		}), nil, told{nil, []string{"Ready=True()", "VirtualWorkspaceURLsReady=True()", "WorkspaceTypeExtensionsResolved=True()"}}},
	} {
		t.Run(name, func(t *testing.T) {
			status := statusOf(tc.kind, tc.trouble, "https://hub", now)
			var got told
			for _, view := range status.VirtualWorkspaces {
				got.Views = append(got.Views, string(view.Type)+" "+view.URL)
			}
			got.Conditions = conditionTexts(status.Conditions)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func conditionTexts(conditions conditionsv1alpha1.Conditions) []string {
	var texts []string
	for _, c := range conditions {
		texts = append(texts, string(c.Type)+"="+string(c.Status)+"("+c.Reason+")")
	}
	return texts
}

// shelf is a Source that holds still.
type shelf map[logicalcluster.Key]*tenancyv1alpha1.WorkspaceType

func (s shelf) Get(key logicalcluster.Key) (*tenancyv1alpha1.WorkspaceType, bool) {
	kind, ok := s[key]
	return kind, ok
}

func (s shelf) All() []*tenancyv1alpha1.WorkspaceType { return nil }

func (s shelf) OnChange(informers.ChangeFunc[*tenancyv1alpha1.WorkspaceType]) {}

func (s shelf) lookup(path logicalcluster.Path, name tenancyv1alpha1.WorkspaceTypeName) (*tenancyv1alpha1.WorkspaceType, bool) {
	return s.Get(logicalcluster.Key{Workspace: logicalcluster.Name(path), Name: string(name)})
}

// TestAStatusIsWrittenOnce holds T1.
func TestAStatusIsWrittenOnce(t *testing.T) {
	key := logicalcluster.Key{Workspace: "o1", Name: "lab"}
	types := shelf{key: kindOf()}
	r := &reporter{Config: Config{Types: types, Lookup: types.lookup, BaseURL: "https://hub", Clock: fixed{}}}
	writes := 0
	r.write = func(_ context.Context, key logicalcluster.Key, status tenancyv1alpha1.WorkspaceTypeStatus) error {
		writes++
		kind := types[key].DeepCopy()
		kind.Status = status
		types[key] = kind
		return nil
	}
	for range 3 {
		if _, err := r.reconcile(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if writes != 1 {
		t.Errorf("%d writes", writes)
	}
}
