package admission

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/warning"

	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/identity"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Publications judges APIPublications: what one says the hub does in workspaces of
// others, so its author has to be allowed to. And it keeps the marks of
// publications on APIBindings out of tenants' hands.
type Publications struct {
	*admission.Handler
	directory *directory.Directory
	judge     judge
}

var (
	_ admission.MutationInterface   = &Publications{}
	_ admission.ValidationInterface = &Publications{}
)

// NewPublications returns the plugin. rbac judges by the workspace in the target of
// its context.
func NewPublications(dir *directory.Directory, rbac authorizer.UnconditionalAuthorizer) *Publications {
	return &Publications{
		Handler:   admission.NewHandler(admission.Create, admission.Update, admission.Delete),
		directory: dir, judge: judge{dir, rbac},
	}
}

// Admit judges a publication, notes down which workspace its subtree means, and
// keeps marks as they are.
func (p *Publications) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetSubresource() != "" || a.GetOperation() == admission.Delete {
		return nil
	}
	switch a.GetResource().GroupResource() {
	case apisv1alpha2.Resource("apibindings"):
		return p.keepMarks(ctx, a)
	case publicationv1alpha1.Resource("apipublications"):
		return p.admit(ctx, a)
	}
	return nil
}

// keepMarks takes the marks from a binding that is created: they come along with
// what clients copy. Of one that is updated it puts back what was left out, and
// refuses what was changed. That holds for everybody: the hub writes them straight to
// storage, and what an operator sends may have passed policies of the workspace.
func (p *Publications) keepMarks(ctx context.Context, a admission.Attributes) error {
	object, old := accessor(a.GetObject()), accessor(a.GetOldObject())
	if object == nil {
		return nil
	}
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	var oldLabels, oldAnnotations map[string]string
	if old != nil {
		oldLabels, oldAnnotations = old.GetLabels(), old.GetAnnotations()
	}
	creates := a.GetOperation() == admission.Create
	labels, err := kept(ctx, creates, oldLabels, labels, publicationv1alpha1.PublicationIDLabel)
	if err != nil {
		return admission.NewForbidden(a, err)
	}
	annotations, err = kept(ctx, creates, oldAnnotations, annotations, publicationv1alpha1.PublicationAnnotationKey)
	if err != nil {
		return admission.NewForbidden(a, err)
	}
	object.SetLabels(labels)
	object.SetAnnotations(annotations)
	return nil
}

// kept returns m with the value that old has for a key.
func kept(ctx context.Context, creates bool, old, m map[string]string, key string) (map[string]string, error) {
	before, had := old[key]
	after, has := m[key]
	switch {
	case creates && has:
		delete(m, key)
		warning.AddWarning(ctx, "", fmt.Sprintf("%s was left out: only the hub writes it", key))
	case has && (!had || before != after):
		return m, fmt.Errorf("%s is reserved: the hub writes it on the bindings that an APIPublication made", key)
	case had && !has:
		if m == nil {
			m = map[string]string{}
		}
		m[key] = before
	}
	return m, nil
}

func (p *Publications) admit(ctx context.Context, a admission.Attributes) error {
	publication, err := typed[publicationv1alpha1.APIPublication](a.GetObject())
	if err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("the APIPublication cannot be read: %v", err))
	}
	if a.GetOperation() == admission.Update {
		old, err := typed[publicationv1alpha1.APIPublication](a.GetOldObject())
		if err != nil {
			return apierrors.NewBadRequest(fmt.Sprintf("the APIPublication cannot be read: %v", err))
		}
		if equality.Semantic.DeepEqual(old.Spec, publication.Spec) {
			return store(pinned(publication, old.Annotations[publicationv1alpha1.SubtreeIDAnnotationKey]), a.GetObject())
		}
		warnOfUnbinding(ctx, old, publication)
	}
	root, err := p.judgeSpec(ctx, a.GetUserInfo(), publication.Spec)
	if err != nil {
		return admission.NewForbidden(a, err)
	}
	if a.GetOperation() == admission.Create && !slices.Contains(publication.Finalizers, publicationv1alpha1.PublicationFinalizer) {
		publication.Finalizers = append(publication.Finalizers, publicationv1alpha1.PublicationFinalizer)
	}
	return store(pinned(publication, root.String()), a.GetObject())
}

// pinned notes down which workspace the subtree means.
func pinned(publication *publicationv1alpha1.APIPublication, root string) *publicationv1alpha1.APIPublication {
	delete(publication.Annotations, publicationv1alpha1.SubtreeIDAnnotationKey)
	if root != "" {
		metav1.SetMetaDataAnnotation(&publication.ObjectMeta, publicationv1alpha1.SubtreeIDAnnotationKey, root)
	}
	return publication
}

// judgeSpec judges the spec as a whole, also what was in it before: who changes a
// publication answers for it. It returns the workspace that is meant.
func (p *Publications) judgeSpec(ctx context.Context, author user.Info, spec publicationv1alpha1.APIPublicationSpec) (logicalcluster.Name, error) {
	if _, err := metav1.LabelSelectorAsSelector(spec.WorkspaceSelector); err != nil {
		return "", fmt.Errorf("spec.workspaceSelector: %w", err)
	}
	root, ok := p.directory.Resolve(logicalcluster.Path(spec.Subtree))
	hub := identity.IsHub(author)
	if ok = ok && (hub || p.judge.mayPublish(ctx, author, root.Name.Path())); !ok {
		return "", fmt.Errorf("no permission to publish to workspace %q and all below it: it does not exist, or one of its administrators "+
			"has to grant you the verb \"publish\" on logicalclusters.core.kcp.io \"cluster\" in it", spec.Subtree)
	}
	if !hub && !p.judge.mayBind(ctx, author, "", spec.Export.Name) {
		return "", fmt.Errorf("no permission to bind to export %q of this workspace: one of its administrators has to grant you the verb \"bind\" on it", spec.Export.Name)
	}
	return root.Name, nil
}

// mayPublish asks for the verb "publish" in the root of a subtree.
func (j judge) mayPublish(ctx context.Context, info user.Info, path logicalcluster.Path) bool {
	return j.allows(ctx, info, path, authorizer.AttributesRecord{
		Verb: "publish", APIGroup: corev1alpha1.GroupName, APIVersion: "*",
		Resource: "logicalclusters", Name: corev1alpha1.LogicalClusterName, ResourceRequest: true,
	})
}

// warnOfUnbinding tells what changing the set of workspaces can do.
func warnOfUnbinding(ctx context.Context, old, publication *publicationv1alpha1.APIPublication) {
	if publication.Spec.Withdrawal == publicationv1alpha1.PublicationLeave ||
		old.Spec.Subtree == publication.Spec.Subtree && equality.Semantic.DeepEqual(old.Spec.WorkspaceSelector, publication.Spec.WorkspaceSelector) {
		return
	}
	warning.AddWarning(ctx, "", "workspaces that the publication is not for any more are unbound, and the objects of its resources in them deleted (spec.withdrawal: Unbind)")
}

// Validate tells what deleting a publication does, and a binding that one made.
func (p *Publications) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetOperation() != admission.Delete || a.GetOldObject() == nil || identity.IsHub(a.GetUserInfo()) {
		return nil
	}
	switch a.GetResource().GroupResource() {
	case publicationv1alpha1.Resource("apipublications"):
		publication, err := typed[publicationv1alpha1.APIPublication](a.GetOldObject())
		if err == nil && publication.Spec.Withdrawal != publicationv1alpha1.PublicationLeave {
			warning.AddWarning(ctx, "", fmt.Sprintf("the APIBindings that publication %q made are deleted, and with them the objects of its resources (spec.withdrawal: Unbind)", publication.Name))
		}
	case apisv1alpha2.Resource("apibindings"):
		if binding := accessor(a.GetOldObject()); binding != nil && binding.GetAnnotations()[publicationv1alpha1.PublicationAnnotationKey] != "" {
			warning.AddWarning(ctx, "", fmt.Sprintf("publication %q made APIBinding %q, and makes it again if it maintains it; the objects of its resources here are deleted in any case",
				binding.GetAnnotations()[publicationv1alpha1.PublicationAnnotationKey], binding.GetName()))
		}
	}
	return nil
}
