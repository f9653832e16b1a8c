package disclose

import (
	"context"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/internal/part"
)

// NoticeSecret gives what opens the text of a notice, to be put beside the
// proof that it was published. Like Texts it records no access: the text is the
// controller's own and was meant to be shown. The state is Present when there
// is a secret, else why there is none.
func (d *Door) NoticeSecret(ctx context.Context, n *catalogue.NoticePublished) (part.Secret, personal.State, error) {
	secret, state, err := d.codec.SecretOf(ctx, d.keys, n.Text)
	if err != nil {
		return part.Secret{}, state, domain.Internal("opening a notice", err)
	}
	d.alarm(ctx, n.Text, state)
	return secret, state, nil
}
