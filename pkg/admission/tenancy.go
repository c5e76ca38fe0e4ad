package admission

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/storage/names"

	"github.com/atriumhub/atrium/pkg/directory"
	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/pkg/scheduling/decide"
	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Tenancy prepares Workspaces and protects LogicalClusters.
type Tenancy struct {
	*admission.Handler
	directory *directory.Directory
	types     prepare.TypeLookup
	judge     judge
	groups    RequiredGroups
	typeID    TypeID
	baseURL   string
}

// RequiredGroups returns the annotation of a workspace that says which groups it
// lets in, and false when it lets in all.
type RequiredGroups func(logicalcluster.Name) (string, bool)

// TypeID returns the type of a workspace, by the ID of the workspace that lives in,
// or nothing when that was not noted down.
type TypeID func(logicalcluster.Name) logicalcluster.Path

var (
	_ admission.MutationInterface   = &Tenancy{}
	_ admission.ValidationInterface = &Tenancy{}
)

// NewTenancy returns the plugin. rbac judges by the workspace in the target of
// its context; new workspaces require the groups of their parent; baseURL is how
// users reach the hub.
func NewTenancy(dir *directory.Directory, types prepare.TypeLookup, rbac authorizer.UnconditionalAuthorizer, groups RequiredGroups, typeID TypeID, baseURL string) *Tenancy {
	return &Tenancy{
		Handler:   admission.NewHandler(admission.Create, admission.Update, admission.Delete),
		directory: dir, types: types, judge: judge{dir, rbac}, groups: groups, typeID: typeID, baseURL: baseURL,
	}
}

// Admit completes a Workspace.
func (p *Tenancy) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetResource().GroupResource() != tenancyv1alpha1.Resource("workspaces") || a.GetOperation() == admission.Delete {
		return nil
	}
	workspace, err := typed[tenancyv1alpha1.Workspace](a.GetObject())
	if err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("the Workspace cannot be read: %v", err))
	}
	if err := p.prepare(ctx, a, workspace); err != nil {
		return admission.NewForbidden(a, err)
	}
	return store(workspace, a.GetObject())
}

func (p *Tenancy) prepare(ctx context.Context, a admission.Attributes, workspace *tenancyv1alpha1.Workspace) error {
	if a.GetOperation() == admission.Create {
		if workspace.Name == "" && workspace.GenerateName != "" {
			// The address has the name in it, so that this cannot wait for storage.
			workspace.Name = names.SimpleNameGenerator.GenerateName(workspace.GenerateName)
		}
		around, err := p.surroundings(ctx)
		if err != nil {
			return err
		}
		// First of all: why a type does not fit tells what it says.
		kind := prepare.TypeOfNew(workspace, around)
		if err := p.judge.mayUse(ctx, a.GetUserInfo(), &kind); err != nil {
			return err
		}
		if err := prepare.Create(workspace, a.GetUserInfo(), around); err != nil {
			return err
		}
		// What the type's author put there is no more trusted than the rest.
		maps.DeleteFunc(workspace.Labels, func(key, _ string) bool { return decide.Reserved(key) })
		// And again, as another type may have turned up in between.
		return p.judge.mayUse(ctx, a.GetUserInfo(), workspace.Spec.Type)
	}
	old, err := typed[tenancyv1alpha1.Workspace](a.GetOldObject())
	if err != nil {
		return err
	}
	return prepare.Update(workspace, old, a.GetUserInfo(), a.GetSubresource())
}

func (p *Tenancy) surroundings(ctx context.Context) (prepare.Surroundings, error) {
	t, _ := target.From(ctx)
	parent, ok := p.directory.ByName(t.Identity)
	if !ok {
		return prepare.Surroundings{}, fmt.Errorf("the workspace %q is not known", t.Path)
	}
	var groups *string
	if required, ok := p.groups(t.Identity); ok {
		groups = &required
	}
	return prepare.Surroundings{
		RequiredGroups: groups, ParentTypeID: p.typeID(t.Identity),
		BaseURL: p.baseURL, ParentPath: parent.Path, ParentType: parent.Type, Types: p.types, Random: rand.Reader,
	}, nil
}

// keep refuses to delete the workspace that all workloads need.
func (p *Tenancy) keep(ctx context.Context, a admission.Attributes) error {
	if a.GetOperation() != admission.Delete || a.GetResource().GroupResource() != tenancyv1alpha1.Resource("workspaces") || identity.IsHub(a.GetUserInfo()) {
		return nil
	}
	name := a.GetName()
	if old := accessor(a.GetOldObject()); old != nil {
		name = old.GetName() // of a collection that is deleted only the objects have names
	}
	if t, _ := target.From(ctx); t.Identity != logicalcluster.Root || name != prepare.ComputeWorkspace {
		return nil
	}
	return fmt.Errorf("workspace root:%s can not be deleted: every workspace that runs workloads is bound to the export in it", name)
}

// Validate refuses writes of tenants to LogicalClusters, and new objects in a
// workspace that is being deleted, or was: requests may be under way for longer
// than it lasted.
func (p *Tenancy) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetOperation() == admission.Create && stored(a) && !identity.IsHub(a.GetUserInfo()) {
		t, _ := target.From(ctx)
		switch entry, ok := p.directory.ByName(t.Identity); {
		case !ok && !t.Identity.Empty(): // it went while the request was sent
			return admission.NewForbidden(a, fmt.Errorf("workspace %q was deleted, nothing can be created in it", t.Path))
		case ok && entry.Ending() && !clearsUp(t, entry):
			return admission.NewForbidden(a, fmt.Errorf("workspace %q is being deleted, nothing can be created in it", t.Path))
		}
	}
	if err := p.keep(ctx, a); err != nil {
		return admission.NewForbidden(a, err)
	}
	if t, _ := target.From(ctx); t.View != nil || a.GetResource().GroupResource() != corev1alpha1.Resource("logicalclusters") {
		return nil // what is written through a view is the view's to judge
	}
	return p.judgeCluster(a)
}

// stored reports whether what is created stays: reviews and tokens do not, and who
// takes off finalizers may need them.
func stored(a admission.Attributes) bool {
	group := a.GetResource().Group
	return a.GetSubresource() == "" && group != "authorization.k8s.io" && group != "authentication.k8s.io"
}

// clearsUp reports whether a terminator is at work, whom deletion waits for.
func clearsUp(t target.Target, entry directory.Entry) bool {
	return t.Visitor != nil && t.Visitor.Kind == target.TerminatorKind && entry.Phase == corev1alpha1.LogicalClusterPhaseTerminating
}

func (p *Tenancy) judgeCluster(a admission.Attributes) error {
	var clusters [2]*corev1alpha1.LogicalCluster
	for i, object := range []runtime.Object{a.GetObject(), a.GetOldObject()} {
		if object == nil || i == 0 && a.GetOperation() == admission.Delete {
			continue
		}
		cluster, err := typed[corev1alpha1.LogicalCluster](object)
		if err != nil {
			return apierrors.NewBadRequest(fmt.Sprintf("the LogicalCluster cannot be read: %v", err))
		}
		clusters[i] = cluster
	}
	if err := prepare.LogicalCluster(clusters[0], clusters[1], a.GetUserInfo()); err != nil {
		return admission.NewForbidden(a, err)
	}
	return nil
}
