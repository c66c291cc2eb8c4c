//! From a net to what is behind it, in one step: what for, with whom, and which lines. All of it comes from
//! the statement; of its lines the largest are kept, so that a long one needs no memory.

use std::collections::BTreeMap;

use clap::Args;
use entente_api::settlement::{
    AmountKind, Direction, GetStatementRequest, StatementElsewhere, StatementLine, StatementTotal,
    get_statement_response::Part,
};
use entente_api::types::Money;
use serde_json::{Value, json};

use super::money_json;
use super::statement::{Statement, read};
use crate::connect::Connection;
use crate::output::{
    Table, amount_kind, bold, count, dim, direction, money, money_exact, points, time_text,
};

/// Which net.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The closed window's name.
    window: String,
    /// Whose net; a partner may leave it out for its own.
    #[arg(long, value_name = "CODE")]
    partner: Option<String>,
    /// In which currency [default: each].
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// Lines of one kind alone: issue, redemption, fee.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// How many lines to show: the largest.
    #[arg(long, value_name = "N", default_value_t = 20)]
    show: usize,
    #[command(flatten)]
    connection: Connection,
}

/// What some amounts come to.
#[derive(Clone, Debug, Default)]
struct Sum {
    points: i64,
    pays: i64,
    receives: i64,
}

/// Where an amount comes from: an operation of the partner, or others' of a day.
#[derive(Clone, Debug)]
struct Source {
    when: String,
    kind: i32,
    counterparty: String,
    points: i64,
    direction: i32,
    amount: Money,
    receipt: String,
    /// Empty for others' operations.
    request_id: String,
}

/// The largest sources, and how many there are.
#[derive(Debug)]
struct Largest {
    most: usize,
    found: Vec<Source>,
    count: u64,
}

/// What a statement says of one currency.
struct Explained<'a> {
    statement: &'a Statement,
    currency: &'a str,
    largest: &'a Largest,
}

pub(super) async fn run(args: ExplainArgs) -> anyhow::Result<()> {
    let kind = args.kind.as_deref().map(kind_number).transpose()?;
    let client = args.connection.client().await?;
    let partner = args.partner.unwrap_or_default();
    let request =
        GetStatementRequest { window: args.window, partner, ..GetStatementRequest::default() };
    let mut largest: BTreeMap<String, Largest> = BTreeMap::new();
    let statement = read(&client, request, |part| {
        let source = match part {
            Part::Line(line) => of_line(line),
            Part::Elsewhere(sum) => of_others(sum),
            _ => return Ok(()),
        };
        let is_asked_for = source.direction != i32::from(Direction::Even)
            && kind.is_none_or(|kind| kind == source.kind)
            && args.currency.as_ref().is_none_or(|code| *code == source.amount.currency);
        if is_asked_for {
            let none = || Largest { most: args.show, found: Vec::new(), count: 0 };
            largest.entry(source.amount.currency.clone()).or_insert_with(none).take(source);
        }
        Ok(())
    })
    .await?;
    let none = Largest { most: args.show, found: Vec::new(), count: 0 };
    let closings = statement.closings.iter().filter_map(|closing| closing.amount.as_ref());
    let asked = closings
        .map(|amount| amount.currency.as_str())
        .filter(|code| args.currency.as_deref().is_none_or(|asked| asked == *code));
    let explained: Vec<_> = asked
        .map(|currency| Explained {
            statement: &statement,
            currency,
            largest: largest.get(currency).unwrap_or(&none),
        })
        .collect();
    let json: Vec<Value> = explained.iter().map(Explained::json).collect();
    args.connection.output.show(&json, |_| {
        let texts: Vec<_> = explained.iter().map(Explained::text).collect();
        if texts.is_empty() { "nothing is paid in it".to_owned() } else { texts.join("\n\n") }
    })
}

impl Explained<'_> {
    fn totals(&self) -> impl Iterator<Item = &StatementTotal> {
        let is_of = |total: &&StatementTotal| {
            total.amount.as_ref().is_some_and(|amount| amount.currency == self.currency)
        };
        self.statement.totals.iter().filter(is_of)
    }

    /// What the totals come to, by what `of` says of each.
    fn by<K: Ord>(&self, of: impl Fn(&StatementTotal) -> K) -> BTreeMap<K, Sum> {
        let mut sums: BTreeMap<K, Sum> = BTreeMap::new();
        for total in self.totals() {
            let micros = total.amount.as_ref().map_or(0, |amount| amount.micros);
            sums.entry(of(total)).or_default().add(total.direction(), total.points, micros);
        }
        sums
    }

    fn money(&self, micros: i64) -> Money {
        Money { currency: self.currency.to_owned(), micros }
    }

    /// The net in words, and how it comes about.
    fn net(&self) -> Option<(&'static str, Money)> {
        let mut closings = self.statement.closings.iter();
        let is_of = |amount: &Money| amount.currency == self.currency;
        closings.find_map(|closing| {
            let amount = closing.amount.clone().filter(is_of)?;
            Some((direction(closing.direction), amount))
        })
    }

    fn text(&self) -> String {
        let header = &self.statement.header;
        let window = header.window.clone().unwrap_or_default().name;
        let (word, net) = self.net().unwrap_or_else(|| ("even", self.money(0)));
        let title = format!("{} {word} {} for {window}", header.display_name, money(&net));
        let mut all = Sum::default();
        let exact = |micros| money_exact(&self.money(micros));
        let mut kinds = Table::new(&["for", ">points", ">pays", ">receives"]);
        for (kind, sum) in self.by(|total| total.kind) {
            all.pays = all.pays.saturating_add(sum.pays);
            all.receives = all.receives.saturating_add(sum.receives);
            let name = amount_kind(kind).to_owned();
            kinds.row([name, points(sum.points), exact(sum.pays), exact(sum.receives)]);
        }
        let mut parties = Table::new(&["with", ">points", ">pays", ">receives"]);
        for (party, sum) in self.by(|total| total.counterparty.clone()) {
            parties.row([party, points(sum.points), exact(sum.pays), exact(sum.receives)]);
        }
        let sums = format!("pays {} and receives {}", exact(all.pays), exact(all.receives));
        let parts =
            [format!("{}\n{sums}", bold(&title)), kinds.text("nothing"), parties.text("nobody")];
        [parts.join("\n\n"), self.lines()].join("\n\n")
    }

    fn lines(&self) -> String {
        let columns =
            ["when", "for", "with", ">points", "", ">exact amount", "receipt", "operation"];
        let mut table = Table::new(&columns);
        for source in self.largest.sorted() {
            table.row([
                source.when.clone(),
                amount_kind(source.kind).to_owned(),
                source.counterparty.clone(),
                points(source.points),
                direction(source.direction).to_owned(),
                money_exact(&source.amount),
                source.receipt.clone(),
                match source.request_id.as_str() {
                    "" => dim("others, that day"),
                    id => id.to_owned(),
                },
            ]);
        }
        let mut text = table.text("no lines");
        let shown = u64::try_from(self.largest.sorted().len()).unwrap_or(u64::MAX);
        if self.largest.count > shown {
            let said = format!(
                "\n\nthe {} largest of {}; `entente settle statement` has all of them",
                count(shown),
                count(self.largest.count)
            );
            text.push_str(&dim(&said));
        }
        text
    }

    fn json(&self) -> Value {
        let (word, net) = self.net().unwrap_or_else(|| ("even", self.money(0)));
        let sum = |sum: &Sum| {
            json!({
                "points": sum.points,
                "pays": money_json(&self.money(sum.pays)),
                "receives": money_json(&self.money(sum.receives)),
            })
        };
        let named = |name: &str, field: &str, found: &Sum| {
            let mut json = sum(found);
            json[field] = json!(name);
            json
        };
        let kinds = self.by(|total| total.kind);
        let parties = self.by(|total| total.counterparty.clone());
        let kinds = kinds.iter().map(|(kind, sum)| named(amount_kind(*kind), "kind", sum));
        let parties = parties.iter().map(|(party, sum)| named(party, "counterparty", sum));
        let lines = self.largest.sorted();
        json!({
            "window": self.statement.header.window.clone().unwrap_or_default().name,
            "partner": self.statement.header.partner,
            "direction": word,
            "amount": money_json(&net),
            "kinds": kinds.collect::<Vec<_>>(),
            "counterparties": parties.collect::<Vec<_>>(),
            "line_count": self.largest.count,
            "lines": lines.iter().map(|source| source_json(source)).collect::<Vec<_>>(),
        })
    }
}

impl Sum {
    fn add(&mut self, direction: Direction, points: i64, micros: i64) {
        self.points = self.points.saturating_add(points);
        match direction {
            Direction::Pays => self.pays = self.pays.saturating_add(micros),
            Direction::Receives => self.receives = self.receives.saturating_add(micros),
            Direction::Even | Direction::Unspecified => {}
        }
    }
}

impl Largest {
    fn take(&mut self, source: Source) {
        self.count += 1;
        self.found.push(source);
        // Now and then, so that each is sorted a few times.
        if self.found.len() > self.most.saturating_mul(2).saturating_add(1_000) {
            self.found = self.sorted().into_iter().cloned().collect();
        }
    }

    /// The largest first; of equal ones the earlier.
    fn sorted(&self) -> Vec<&Source> {
        let mut sorted: Vec<_> = self.found.iter().collect();
        sorted.sort_by_key(|source| std::cmp::Reverse(source.amount.micros));
        sorted.truncate(self.most);
        sorted
    }
}

fn of_line(line: &StatementLine) -> Source {
    Source {
        when: time_text(line.posted_at.as_ref()),
        kind: line.kind,
        counterparty: line.counterparty.clone(),
        points: line.points,
        direction: line.direction,
        amount: line.amount.clone().unwrap_or_default(),
        receipt: line.receipt_reference.clone(),
        request_id: line.request_id.clone(),
    }
}

fn of_others(sum: &StatementElsewhere) -> Source {
    Source {
        when: sum.day.clone(),
        kind: sum.kind,
        counterparty: sum.counterparty.clone(),
        points: sum.points,
        direction: sum.direction,
        amount: sum.amount.clone().unwrap_or_default(),
        receipt: String::new(),
        request_id: String::new(),
    }
}

fn source_json(source: &Source) -> Value {
    json!({
        "when": source.when,
        "kind": amount_kind(source.kind),
        "counterparty": source.counterparty,
        "points": source.points,
        "direction": direction(source.direction),
        "amount": money_json(&source.amount),
        "receipt_reference": source.receipt,
        "request_id": source.request_id,
    })
}

/// A kind by its word, as statements have it.
fn kind_number(word: &str) -> anyhow::Result<i32> {
    let wanted = word.replace(['_', '-'], " ");
    let mut kinds = (1..=32).filter_map(|number| AmountKind::try_from(number).ok());
    let found = kinds.find(|kind| amount_kind((*kind).into()) == wanted);
    let found = found.ok_or_else(|| anyhow::anyhow!("{word}: no kind of a line"))?;
    Ok(found.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(receipt: &str, micros: i64) -> Source {
        let amount = Some(Money { currency: "USD".to_owned(), micros });
        let receipt_reference = receipt.to_owned();
        of_line(&StatementLine { amount, receipt_reference, ..StatementLine::default() })
    }

    #[test]
    fn the_largest_lines_are_kept_however_many_there_are() {
        let mut largest = Largest { most: 2, found: Vec::new(), count: 0 };
        for number in 0..5_000_i64 {
            largest.take(source(&number.to_string(), number % 4_000));
        }
        let kept: Vec<_> = largest.sorted().iter().map(|one| one.receipt.clone()).collect();
        assert_eq!((kept, largest.count), (vec!["3999".to_owned(), "3998".to_owned()], 5_000));
        assert!(largest.found.len() <= 1_004);
    }

    #[test]
    fn kinds_are_named_by_the_words_of_statements() {
        for (word, kind) in [
            ("issue", AmountKind::Issue),
            ("redemption_refunded", AmountKind::RedemptionRefunded),
            ("issue-cancelled", AmountKind::IssueCancelled),
        ] {
            assert_eq!(kind_number(word).ok(), Some(kind.into()), "{word}");
        }
        assert!(kind_number("?").is_err() && kind_number("sold").is_err());
    }
}
