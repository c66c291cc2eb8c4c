//! Commands to try while the demo's hub is up.

use std::fmt::Write as _;

use entente_hub::hub::Addresses;

use super::cast::{Brand, WINDOW};
use super::folder::Folder;
use crate::output::{bold, dim};

/// What to type, ready to be copied.
pub(crate) fn text(folder: &Folder, addresses: Addresses) -> String {
    let certificates = folder.certificates();
    let certificates = certificates.display();
    let (partners, operators) = (addresses.partners, addresses.operators);
    let mut text = String::new();
    let mut part = |title: &str, body: String| {
        let _ = writeln!(text, "{}\n{body}\n", bold(title));
    };
    part(
        "The hub is up",
        format!(
            "partners   https://{partners}\noperators  https://{operators}\nmetrics    http://{}/metrics",
            addresses.plain,
        ),
    );
    part(
        "entente",
        format!(
            "export ENTENTE_CERTIFICATES={certificates}\n\
         entente partner list --endpoint https://{operators}\n\
         entente settle position {WINDOW} --endpoint https://{operators}\n\
         entente settle statement {WINDOW} --totals --as rover-rides --endpoint https://{partners}\n\
         entente member balance {} --as harbor-hotels --endpoint https://{partners}",
            Brand::Harbor.reference(example_member()),
        ),
    );
    part("grpcurl, from the project's folder", grpcurl(folder, addresses));
    part("Python, from the project's folder", python(folder, addresses));
    text.push_str(&dim("Ctrl-C stops the hub; the data stays."));
    text
}

/// A member of the default plan who is at home at Harbor Hotels, as a test shows.
pub(crate) const fn example_member() -> usize {
    EXAMPLE_MEMBER
}

const EXAMPLE_MEMBER: usize = 0;

fn grpcurl(folder: &Folder, addresses: Addresses) -> String {
    let certificates = folder.certificates();
    let harbor = certificates.join("partners/harbor-hotels");
    format!(
        "grpcurl -cacert {root} -cert {cert} -key {key} \\\n  \
         -import-path proto -proto entente/member/v1/member_service.proto \\\n  \
         -d '{{\"member_reference\": \"{member}\"}}' \\\n  \
         {address} entente.member.v1.MemberService/GetBalance",
        root = certificates.join("hub-ca.pem").display(),
        cert = harbor.join("client.pem").display(),
        key = harbor.join("client.key").display(),
        member = Brand::Harbor.reference(example_member()),
        address = addresses.partners,
    )
}

fn python(folder: &Folder, addresses: Addresses) -> String {
    let certificates = folder.certificates();
    format!(
        "pip install grpcio grpcio-tools\n\
         python3 -m grpc_tools.protoc -I proto --python_out=. --grpc_python_out=. \\\n  \
         $(cd proto && find entente google -name '*.proto')\n\
         python3 - <<'END'\n\
         import grpc\n\
         from entente.member.v1 import member_service_pb2 as pb, member_service_pb2_grpc as rpc\n\
         folder = \"{folder}\"\n\
         read = lambda name: open(f\"{{folder}}/{{name}}\", \"rb\").read()\n\
         mine = \"partners/harbor-hotels/client\"\n\
         credentials = grpc.ssl_channel_credentials(\n    \
         read(\"hub-ca.pem\"), read(mine + \".key\"), read(mine + \".pem\"))\n\
         with grpc.secure_channel(\"{address}\", credentials) as channel:\n    \
         members = rpc.MemberServiceStub(channel)\n    \
         print(members.GetBalance(pb.GetBalanceRequest(member_reference=\"{member}\")))\n\
         END",
        folder = certificates.display(),
        address = addresses.partners,
        member = Brand::Harbor.reference(example_member()),
    )
}
