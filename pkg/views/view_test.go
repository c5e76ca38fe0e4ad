package views

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/admission"

	"github.com/atriumhub/atrium/pkg/target"
)

// TestAdmissionOnlyViews: other requests are not this plugin's business, and what
// comes through a view is judged by that view.
func TestAdmissionOnlyViews(t *testing.T) {
	deletion := attributes(&corev1.Secret{}, &corev1.Secret{}, admission.Delete, "")
	plugin := NewAdmission(&Syncer{}, NewInitializing(LifecycleConfig{}))
	for name, c := range map[string]struct {
		target *target.Target
		says   string
	}{
		"without a target": {nil, ""},
		"without a view":   {&target.Target{Identity: "ws"}, ""},
		"a visitor":        {&target.Target{Identity: "ws", Visitor: &target.Visitor{Kind: InitializingKind}}, ""},
		"a syncer":         {&target.Target{Identity: "ws", View: &target.View{Kind: SyncerKind, Target: "eu", Key: testKey}}, "agents change objects"},
		"an initializer":   {&target.Target{Identity: "ws", View: &target.View{Kind: InitializingKind, Name: "root:a", Target: "a"}}, "changes nothing but status.initializers"},
		"an unknown view":  {&target.Target{Identity: "ws", View: &target.View{Kind: "other"}}, "nobody judges"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			if c.target != nil {
				ctx = target.With(ctx, *c.target)
			}
			err := plugin.Validate(ctx, deletion, nil)
			if (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, expected %q", err, c.says)
			}
		})
	}
}
