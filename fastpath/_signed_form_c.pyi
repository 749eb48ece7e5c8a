from fastpath._signed_form_py import SignedForm as SignedForm
