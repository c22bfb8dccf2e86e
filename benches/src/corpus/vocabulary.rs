//! The lists that realistic text is drawn from, the commonest entries first.

use std::ops::Deref;
use std::sync::OnceLock;

/// Entries separated by `, ` in the source, as a slice in use.
#[derive(Debug)]
pub struct List {
    text: &'static str,
    entries: OnceLock<Vec<&'static str>>,
}

impl List {
    const fn new(text: &'static str) -> Self {
        Self {
            text,
            entries: OnceLock::new(),
        }
    }
}

impl Deref for List {
    type Target = [&'static str];

    fn deref(&self) -> &Self::Target {
        self.entries.get_or_init(|| self.text.split(", ").collect())
    }
}

/// People's first names.
pub static FIRST_NAMES: List = List::new(
    "Anna, Maria, Thomas, Michael, Laura, Peter, Julia, Andreas, Sarah, Daniel, Elena, Martin, \
     Sophie, Stefan, Katarina, Paul, Ingrid, Lukas, Hannah, Omar, Amelie, Jonas, Claire, Viktor, \
     Nadia, Samuel, Birgit, Felix, Yasmin, Henrik, Marta, Oliver, Priya, Gustav, Teresa, Adrian, \
     Fatima, Bruno, Linnea, Ravi, Emilia, Tobias, Chiara, Mateusz, Astrid, Kenji, Louise, Dimitri, \
     Rosa, Ewan",
);

/// People's last names.
pub static LAST_NAMES: List = List::new(
    "Müller, Schmidt, Fischer, Weber, Novak, Jensen, Rossi, Martin, Kowalski, Larsson, Bernard, \
     Huber, Wagner, Bauer, Moreau, Silva, Popescu, Hansen, Berger, Costa, Virtanen, Keller, Dubois, \
     Horvat, Lindgren, Romano, Steiner, Becker, Petrov, Brunner, Garcia, Nielsen, Schulz, Lefebvre, \
     Gruber, Winkler, Andersson, Marino, Vogel, Kaya, Sharma, Tanaka, Okafor, Brandt, Lang, Egger, \
     Zimmermann, Haugen, Kaiser, Olsen, Reiter, Pavlov, Mancini, Walsh, Ferreira",
);

/// Where people live.
pub static CITIES: List = List::new(
    "Berlin, Wien, Zürich, Hamburg, Praha, København, Milano, Lyon, Graz, Köln, Kraków, Stockholm, \
     Porto, Linz, Basel, Leipzig, Ljubljana, Utrecht, Bergen, Torino, Nantes, Dresden, Salzburg, \
     Brno, Gdańsk, Aarhus, Tampere, Genève",
);

/// In which street.
pub static STREETS: List = List::new(
    "Hauptstraße, Bahnhofstraße, Gartenweg, Lindenallee, Schulgasse, Am Markt, Kirchplatz, \
     Rue de la Gare, Via Roma, Mühlweg, Ringstraße, Bergstraße, Seestraße, Feldgasse, Parkweg, \
     Industriestraße, Rosenweg, Lange Gasse",
);

/// What clerks write.
pub static WORDS: List = List::new(
    "the, and, to, of, for, in, was, is, with, not, by, on, at, please, customer, order, delivery, \
     invoice, has, been, from, after, before, we, will, be, that, this, account, payment, address, \
     called, again, box, received, sent, warehouse, item, returned, damaged, packaging, Monday, \
     late, Tuesday, Friday, morning, afternoon, phone, asked, refund, credit, voucher, missing, \
     part, replacement, urgent, confirmed, supplier, price, agreed, total, discount, contract, \
     renewal, technician, visit, scheduled, cancelled, moved, next, week, month, quarter, signed, \
     copy, attached, photo, serial, number, label, wrong, size, colour, blue, black, large, small, \
     office, front, desk, door, neighbour, parcel, courier, tracking, update, reminder, overdue, \
     paid, transfer, bank, details, changed, verified, manager, approved, pending, review, stock, \
     available, reserved, shipment, split, remaining, pieces, pallet, forklift, inspection, \
     quality, report, minor, scratch, surface, accepted, declined, estimate, quote, expires, \
     extension, granted, training, session, licence, keys, activated, installation, complete, \
     follow-up, needed, summary, meeting, notes, budget, forecast, seasonal, campaign, newsletter, \
     unsubscribed, complaint, resolved, escalated, thanks, friendly, response, weekend, holiday, \
     closed, opening, hours, branch, pickup, counter, receipt, printed, duplicate",
);

/// What is sold.
pub static GOODS: List = List::new(
    "Desk Lamp, Office Chair, Notebook A5, Toner Cartridge, USB Cable, Monitor Arm, Keyboard, \
     Whiteboard, Filing Cabinet, Paper A4, Label Printer, Headset, Webcam, Docking Station, \
     Extension Lead, Shredder, Coffee Filter, Wall Clock, Hand Truck, Safety Gloves, Packing Tape, \
     Barcode Scanner, Router, Network Switch, Tablet Stand",
);
